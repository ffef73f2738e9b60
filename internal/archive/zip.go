package archive

import (
	"bytes"
	"encoding/binary"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"hash/crc32"
	"slices"
	"strings"
)

// The parts of a .conda. The names of the two tar files have the stem between
// prefix and suffix.
const (
	metadataName = "metadata.json"
	infoPrefix   = "info-"
	pkgPrefix    = "pkg-"
	tarZst       = ".tar.zst"
)

const (
	// maxMetadata bounds metadata.json, which is one small object.
	maxMetadata = 4 << 10
	// usualMetadata is what nearly all builders write.
	usualMetadata = `{"conda_pkg_format_version": 2}`
)

// The records of a ZIP file (APPNOTE 4.3) by signature and fixed length.
const (
	zipLocal       = 0x04034b50
	zipCentral     = 0x02014b50
	zipEnd         = 0x06054b50
	zip64End       = 0x06064b50
	zip64Locator   = 0x07064b50
	zipLocalLen    = 30
	zipCentralLen  = 46
	zipEndLen      = 22
	zip64EndLen    = 56
	zip64LocLen    = 20
	maxDirectory   = 4 << 10 // three members with names of 256 bytes fit well
	flagEncrypted  = 1 << 0
	flagDescriptor = 1 << 3
	// flagsHarmless are hints of the compressor and the mark of UTF-8 names.
	flagsHarmless = 1<<1 | 1<<2 | 1<<11
)

// zipMember is one part of a .conda: size stored bytes at offset.
type zipMember struct {
	name         string
	header       int64 // where its local header lies
	offset, size int64
	crc          uint32
}

// condaParts are the members of a .conda; absent ones are nil.
type condaParts struct{ metadata, info, pkg *zipMember }

// condaParts reads the ZIP directory and holds it to CEP 35: exactly the three
// members, stored, that follow each other from the first byte of the file to
// the directory, and local headers that say what the directory says. So a
// reader that streams sees the same as one that starts from the end.
func (p *pack) condaParts() (condaParts, error) {
	var parts condaParts
	members, directory, err := p.zipDirectory()
	if err != nil {
		return parts, err
	}
	stem := p.name.Stem()
	for i := range members {
		m := &members[i]
		var part **zipMember
		switch m.name {
		case metadataName:
			part = &parts.metadata
		case infoPrefix + stem + tarZst:
			part = &parts.info
		case pkgPrefix + stem + tarZst:
			part = &parts.pkg
		default:
			if strings.HasSuffix(m.name, tarZst) && !strings.Contains(m.name, "/") {
				return parts, p.invalid("it holds %s, which is named after another package.", clip(m.name))
			}
			return parts, p.invalid("it holds %s; a .conda holds only metadata.json, info-….tar.zst and pkg-….tar.zst.", clip(m.name))
		}
		if *part != nil {
			return parts, p.invalid("it holds %s twice.", m.name)
		}
		*part = m
	}
	if err := p.checkTiling(members, directory); err != nil {
		return parts, err
	}
	switch {
	case parts.info == nil:
		return parts, p.damaged("it has no info-%s.tar.zst.", stem)
	case parts.metadata == nil && !p.lim.Lenient:
		return parts, p.damaged("it has no metadata.json.")
	case parts.pkg == nil && !p.lim.Lenient:
		return parts, p.damaged("it has no pkg-%s.tar.zst.", stem)
	}
	if parts.metadata != nil {
		return parts, p.checkMetadata(*parts.metadata)
	}
	return parts, nil
}

// zipDirectory reads the directory, which must end the file, and the local
// header of each member. It gives the members and where the directory begins.
func (p *pack) zipDirectory() ([]zipMember, int64, error) {
	size := p.src.size
	if size < zipEndLen {
		return nil, 0, p.damaged("it is not a ZIP file: it has only %d bytes.", size)
	}
	end, err := p.src.bytes(size-zipEndLen, zipEndLen)
	if err != nil {
		return nil, 0, err
	}
	if binary.LittleEndian.Uint32(end) != zipEnd || binary.LittleEndian.Uint16(end[20:]) != 0 {
		return nil, 0, p.damaged("it does not end with a ZIP directory: it is cut off, or something follows it.")
	}
	count := uint64(binary.LittleEndian.Uint16(end[10:]))
	length := uint64(binary.LittleEndian.Uint32(end[12:]))
	offset := uint64(binary.LittleEndian.Uint32(end[16:]))
	disks := binary.LittleEndian.Uint32(end[4:]) // two numbers of 16 bits
	onDisk := uint64(binary.LittleEndian.Uint16(end[8:]))
	stop := size - zipEndLen // where the directory has to end

	if stop >= zip64LocLen+zip64EndLen {
		locator, err := p.src.bytes(stop-zip64LocLen, zip64LocLen)
		if err != nil {
			return nil, 0, err
		}
		if binary.LittleEndian.Uint32(locator) == zip64Locator {
			stop -= zip64LocLen + zip64EndLen
			wide, err := p.src.bytes(stop, zip64EndLen)
			if err != nil {
				return nil, 0, err
			}
			if binary.LittleEndian.Uint32(wide) != zip64End ||
				binary.LittleEndian.Uint64(locator[8:]) != uint64(stop) ||
				binary.LittleEndian.Uint64(wide[4:]) != zip64EndLen-12 ||
				binary.LittleEndian.Uint64(wide[16:]) != 0 { // disk numbers
				return nil, 0, p.damaged("its ZIP64 directory does not stand where it should.")
			}
			same := resolve(&onDisk, binary.LittleEndian.Uint64(wide[24:]), 1<<16-1) &&
				resolve(&count, binary.LittleEndian.Uint64(wide[32:]), 1<<16-1) &&
				resolve(&length, binary.LittleEndian.Uint64(wide[40:]), 1<<32-1) &&
				resolve(&offset, binary.LittleEndian.Uint64(wide[48:]), 1<<32-1)
			if !same {
				return nil, 0, p.invalid("its two ZIP directories differ.")
			}
		}
	}
	if disks != 0 || onDisk != count {
		return nil, 0, p.invalid("it is one part of a ZIP archive of several.")
	}
	if count > 3 {
		return nil, 0, p.invalid("it has %d ZIP members; a .conda has 3.", count)
	}
	if length > maxDirectory {
		return nil, 0, p.tooLarge("its ZIP directory has %d bytes; the limit is %d.", length, maxDirectory)
	}
	if offset+length != uint64(stop) || offset > uint64(stop) {
		return nil, 0, p.invalid("its ZIP directory does not lie right before its end: something stands before or inside the archive.")
	}
	directory, err := p.src.bytes(int64(offset), int(length))
	if err != nil {
		return nil, 0, err
	}
	members := make([]zipMember, 0, count)
	for range count {
		m, rest, err := p.zipEntry(directory, int64(offset))
		if err != nil {
			return nil, 0, err
		}
		members, directory = append(members, m), rest
	}
	if len(directory) != 0 {
		return nil, 0, p.invalid("its ZIP directory holds more than its members.")
	}
	return members, int64(offset), nil
}

// zipEntry reads one entry of the directory and the local header it points to,
// which lies before limit. It gives the rest of the directory.
func (p *pack) zipEntry(directory []byte, limit int64) (zipMember, []byte, error) {
	var m zipMember
	cut := func() (zipMember, []byte, error) {
		return m, nil, p.damaged("its ZIP directory is cut off.")
	}
	if len(directory) < zipCentralLen || binary.LittleEndian.Uint32(directory) != zipCentral {
		return cut()
	}
	head, rest := directory[:zipCentralLen], directory[zipCentralLen:]
	flags := binary.LittleEndian.Uint16(head[8:])
	method := binary.LittleEndian.Uint16(head[10:])
	m.crc = binary.LittleEndian.Uint32(head[16:])
	sizes := zipSizes{
		packed: uint64(binary.LittleEndian.Uint32(head[20:])),
		plain:  uint64(binary.LittleEndian.Uint32(head[24:])),
		offset: uint64(binary.LittleEndian.Uint32(head[42:])),
	}
	nameLen := int(binary.LittleEndian.Uint16(head[28:]))
	extraLen := int(binary.LittleEndian.Uint16(head[30:]))
	commentLen := int(binary.LittleEndian.Uint16(head[32:]))
	if len(rest) < nameLen+extraLen+commentLen {
		return cut()
	}
	m.name = string(rest[:nameLen])
	extra := rest[nameLen : nameLen+extraLen]
	rest = rest[nameLen+extraLen+commentLen:]

	switch {
	case flags&flagEncrypted != 0:
		return m, nil, p.invalid("its ZIP member %s is encrypted.", clip(m.name))
	case method != 0:
		return m, nil, p.invalid("its ZIP member %s is compressed; in a .conda every member is stored as it is.", clip(m.name))
	case flags&flagDescriptor != 0 && !p.lim.Lenient:
		return m, nil, p.invalid("its ZIP member %s says its size only after its bytes (a data descriptor), so it cannot be streamed.", clip(m.name))
	case flags&^(flagsHarmless|flagDescriptor) != 0:
		return m, nil, p.invalid("its ZIP member %s has the flags %#x, which no .conda needs.", clip(m.name), flags)
	case binary.LittleEndian.Uint16(head[34:]) != 0:
		return m, nil, p.invalid("its ZIP member %s lies in another file.", clip(m.name))
	}
	if !sizes.widen(extra) || sizes.packed != sizes.plain {
		return m, nil, p.invalid("the sizes of its ZIP member %s contradict each other.", clip(m.name))
	}
	if sizes.offset > uint64(limit) || sizes.packed > uint64(limit) {
		return m, nil, p.invalid("its ZIP member %s lies outside the file.", clip(m.name))
	}
	m.header, m.size = int64(sizes.offset), int64(sizes.packed)

	fixed, err := p.src.bytes(m.header, zipLocalLen)
	if err != nil || binary.LittleEndian.Uint32(fixed) != zipLocal {
		return m, nil, p.damaged("its ZIP member %s is not where the directory says.", clip(m.name))
	}
	local := slices.Clone(fixed)
	localName := int(binary.LittleEndian.Uint16(local[26:]))
	localExtra := int(binary.LittleEndian.Uint16(local[28:]))
	tail, err := p.src.bytes(m.header+zipLocalLen, localName+localExtra)
	if err != nil {
		return m, nil, p.damaged("its ZIP member %s is cut off.", clip(m.name))
	}
	m.offset = m.header + zipLocalLen + int64(len(tail))
	if m.offset+m.size > limit {
		return m, nil, p.invalid("its ZIP member %s reaches beyond the archive.", clip(m.name))
	}
	localSizes := zipSizes{
		packed: uint64(binary.LittleEndian.Uint32(local[18:])),
		plain:  uint64(binary.LittleEndian.Uint32(local[22:])),
	}
	same := string(tail[:localName]) == m.name &&
		binary.LittleEndian.Uint16(local[6:]) == flags &&
		binary.LittleEndian.Uint16(local[8:]) == method
	if flags&flagDescriptor == 0 {
		same = same && binary.LittleEndian.Uint32(local[14:]) == m.crc &&
			localSizes.widen(tail[localName:]) &&
			localSizes.packed == sizes.packed && localSizes.plain == sizes.plain
	}
	if !same {
		return m, nil, p.invalid("the ZIP directory and the header of %s differ.", clip(m.name))
	}
	return m, rest, nil
}

// zipSizes are the numbers of an entry that ZIP64 moves into an extra field.
type zipSizes struct{ packed, plain, offset uint64 }

// widen takes from the extra fields the numbers that do not fit into 32 bits.
// It reports whether the fields are well-formed and have every number needed.
func (z *zipSizes) widen(extra []byte) bool {
	const (
		zip64ID = 1
		absent  = 1<<32 - 1
	)
	seen := false
	for len(extra) > 0 {
		if len(extra) < 4 {
			return false
		}
		id, n := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if len(extra) < 4+n {
			return false
		}
		field := extra[4 : 4+n]
		extra = extra[4+n:]
		if id != zip64ID {
			continue
		}
		if seen {
			return false
		}
		seen = true
		for _, v := range []*uint64{&z.plain, &z.packed, &z.offset} {
			if *v != absent {
				continue
			}
			if len(field) < 8 {
				return false
			}
			*v, field = binary.LittleEndian.Uint64(field), field[8:]
		}
	}
	return seen || (z.plain != absent && z.packed != absent && z.offset != absent)
}

// resolve replaces a narrow number by the wide one where it says absent; else
// the two have to be equal.
func resolve(narrow *uint64, wide, absent uint64) bool {
	if *narrow != absent && *narrow != wide {
		return false
	}
	*narrow = wide
	return true
}

// checkTiling refuses members that overlap, and bytes that belong to none.
func (p *pack) checkTiling(members []zipMember, directory int64) error {
	byPlace := slices.SortedFunc(slices.Values(members), func(a, b zipMember) int {
		return int(min(max(a.header-b.header, -1), 1))
	})
	at := int64(0)
	for _, m := range byPlace {
		switch {
		case m.header < at:
			return p.invalid("its ZIP members overlap at %s.", m.name)
		case m.header > at && !p.lim.Lenient:
			return p.invalid("%d bytes before its ZIP member %s belong to no member.", m.header-at, m.name)
		}
		at = m.offset + m.size
	}
	if at != directory && !p.lim.Lenient {
		return p.invalid("%d bytes before its ZIP directory belong to no member.", directory-at)
	}
	return nil
}

// checkMetadata reads metadata.json, which names the version of the format.
func (p *pack) checkMetadata(m zipMember) error {
	if m.size > maxMetadata {
		return p.tooLarge("metadata.json has %d bytes; the limit is %d.", m.size, maxMetadata)
	}
	b, err := p.src.bytes(m.offset, int(m.size))
	if err != nil {
		return err
	}
	if crc32.ChecksumIEEE(b) != m.crc {
		return p.damaged("metadata.json does not have the checksum that the ZIP directory gives.")
	}
	if string(b) == usualMetadata {
		return nil
	}
	var doc struct {
		Version jsontext.Value `json:"conda_pkg_format_version"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return p.damaged("metadata.json is not a JSON object.")
	}
	if !bytes.Equal(doc.Version, []byte("2")) {
		return p.invalid("metadata.json must say that conda_pkg_format_version is 2.")
	}
	return nil
}
