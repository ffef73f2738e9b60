package archive

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// errNotPlain leaves a header to package archive/tar.
var errNotPlain = errors.New("not a plain header")

// The fields of a tar header (POSIX ustar; GNU tar has the same up to prefix) by
// where they end.
const (
	tarBlock    = 512
	endName     = 100
	endMode     = 108
	endUID      = 116
	endGID      = 124
	endSize     = 136
	endTime     = 148
	endSum      = 156
	typeAt      = 156
	endLink     = 257
	endMagic    = 265 // with the version
	endOwners   = 329
	endMajor    = 337
	endMinor    = 345
	endPrefix   = 500
	starTrailer = 508
)

// plainTar reads the headers of a tar in memory as archive/tar does, in a fifth of
// the time, where there is nothing special about them: a file or folder, all of it
// there, with numbers in octal digits and without extended headers. It leaves all
// others, and all that is wrong, to archive/tar.
type plainTar struct {
	rest   *whole // from the next header on
	header tar.Header
	body   bytes.Reader // of the file that came last
}

// next gives the next header, which is there until it is called again. It returns
// io.EOF at the end of the tar, and errNotPlain where archive/tar has to go on.
func (t *plainTar) next() (*tar.Header, error) {
	b := t.rest.b
	if len(b) < 2*tarBlock {
		return nil, errNotPlain
	}
	head := (*[tarBlock]byte)(b)
	if head[0] == 0 {
		if *head != [tarBlock]byte{} || *(*[tarBlock]byte)(b[tarBlock:]) != [tarBlock]byte{} {
			return nil, errNotPlain
		}
		t.rest.b = b[2*tarBlock:]
		return nil, io.EOF
	}
	name, ok := plainName(head)
	for _, field := range [...][]byte{
		head[endName:endMode], head[endMode:endUID], head[endUID:endGID], head[endSize:endTime], head[endOwners:endMajor], head[endMajor:endMinor],
	} {
		_, octal := octalField(field)
		ok = ok && octal
	}
	size, octal := octalField(head[endGID:endSize])
	sum, summed := octalField(head[endTime:endSum])
	kind := head[typeAt]
	ok = ok && octal && summed && sum == blockSum(head) && (kind == tar.TypeReg || kind == tar.TypeDir && size == 0)
	padded := (size + tarBlock - 1) &^ (tarBlock - 1)
	if !ok || padded > int64(len(b)-tarBlock) {
		return nil, errNotPlain
	}
	t.header = tar.Header{Typeflag: kind, Name: name, Size: size}
	t.body.Reset(b[tarBlock:][:size])
	t.rest.b = b[tarBlock+padded:]
	return &t.header, nil
}

// plainName gives the name of a file. It reports whether the header is of a form
// in which that is all.
func plainName(head *[tarBlock]byte) (string, bool) {
	name := untilNUL(head[:endName])
	switch string(head[endLink:endMagic]) {
	case "ustar\x0000":
		if string(head[starTrailer:]) == "tar\x00" {
			return "", false
		}
		if prefix := untilNUL(head[endMinor:endPrefix]); len(prefix) > 0 {
			return string(prefix) + "/" + string(name), true
		}
	case "ustar  \x00":
		if [tarBlock - endMinor]byte(head[endMinor:]) != [tarBlock - endMinor]byte{} {
			return "", false
		}
	default:
		return "", false
	}
	return string(name), true
}

// untilNUL gives b up to its first NUL.
func untilNUL(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}

// octalField gives the number of a field: octal digits, and behind them nothing
// but NULs and spaces. No digits are 0.
func octalField(field []byte) (n int64, ok bool) {
	i := 0
	for ; i < len(field) && '0' <= field[i] && field[i] <= '7'; i++ {
		n = n<<3 | int64(field[i]-'0')
	}
	for ; i < len(field); i++ {
		if field[i] != 0 && field[i] != ' ' {
			return 0, false
		}
	}
	return n, true
}

// blockSum is the checksum of a header: the sum of its bytes, where those of the
// checksum itself count as spaces.
func blockSum(head *[tarBlock]byte) int64 {
	const even = 0x00ff00ff00ff00ff
	var sums uint64 // four of 16 bits
	for i := 0; i < tarBlock; i += 8 {
		w := binary.LittleEndian.Uint64(head[i:])
		sums += w&even + w>>8&even
	}
	sum := int64(sums&0xffff + sums>>16&0xffff + sums>>32&0xffff + sums>>48)
	for _, c := range head[endTime:endSum] {
		sum += ' ' - int64(c)
	}
	return sum
}
