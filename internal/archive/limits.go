package archive

import "cmp"

// Limits bounds what a package may ask of its reader. Sizes are bytes. A zero
// field means the field of DefaultLimits, so the zero Limits are the defaults.
type Limits struct {
	// InfoSize is the most that info/ may hold when decoded.
	InfoSize int64

	// MemberSize is the most that one member of info/ may hold.
	MemberSize int64

	// IndexSize is the most that info/index.json, info/run_exports.json and
	// info/about.json may hold, each.
	IndexSize int64

	// IndexValues is the most values, such as dependencies, in
	// info/index.json and info/run_exports.json, each: parsed ones take many
	// times the bytes of the text.
	IndexValues int

	// Members is the most files and folders that info/ may hold.
	Members int

	// Files is the most files, links and folders that a whole package may
	// hold. Only Check counts them.
	Files int

	// Payload is the most that a whole package may hold when decoded. Only
	// Check decodes so far.
	Payload int64

	// Ratio is how many times larger than its compressed bytes content may be.
	// The first 4 MiB of content are free.
	Ratio int64

	// Window is the largest zstd window that a frame may declare. No client
	// decodes more than 128 MiB.
	Window uint64

	// Memory is the most history that decoding info/ may need: the declared
	// window, or what the frame can hold where that is less.
	Memory uint64

	// PayloadMemory is the most history that Check may need to decode the
	// files of a .conda; none but Window where it is zero.
	PayloadMemory uint64

	// Keep is the most of info/ that one Info holds besides index.json and
	// run_exports.json: lists, texts, the icon. What exceeds it is left out.
	Keep int64

	// Depth is the most folders and file names in a member's path.
	Depth int

	// NameLength is the longest path of a member, in bytes.
	NameLength int

	// BZ2Scan is how much of a .tar.bz2, decoded, is searched for info/.
	BZ2Scan int64

	// BZ2Tail is how much of a .tar.bz2, decoded, is read past the last member
	// of info/ before the rest is taken for files: builders put info/ first,
	// and bzip2 is slow.
	BZ2Tail int64

	// Lenient takes what upstream channels carry and uploads may not: legacy
	// file names and values, a .conda without metadata.json or without files,
	// with data descriptors or gaps between its members, links inside info/.
	Lenient bool
}

// DefaultLimits gives the limits of an upload. With them one Read holds less
// than 20 MB whatever it is given, so that twenty at once fit into 512 MB.
func DefaultLimits() Limits {
	return Limits{
		InfoSize:    64 << 20,
		MemberSize:  32 << 20,
		IndexSize:   1 << 20,
		IndexValues: 20_000,
		Members:     10_000,
		Files:       500_000,
		Payload:     32 << 30,
		Ratio:       500,
		Window:      128 << 20,
		Memory:      8 << 20,
		Keep:        4 << 20,
		Depth:       64,
		NameLength:  1024,
		BZ2Scan:     256 << 20,
		BZ2Tail:     1 << 20,
	}
}

// freeDecoded is the content that may come out of any number of bytes without
// being measured by Limits.Ratio: padding of tar alone reaches high ratios.
const freeDecoded = 4 << 20

// orDefaults fills the zero fields.
func (l Limits) orDefaults() Limits {
	d := DefaultLimits()
	l.InfoSize = cmp.Or(l.InfoSize, d.InfoSize)
	l.MemberSize = cmp.Or(l.MemberSize, d.MemberSize)
	l.IndexSize = cmp.Or(l.IndexSize, d.IndexSize)
	l.IndexValues = cmp.Or(l.IndexValues, d.IndexValues)
	l.Members = cmp.Or(l.Members, d.Members)
	l.Files = cmp.Or(l.Files, d.Files)
	l.Payload = cmp.Or(l.Payload, d.Payload)
	l.Ratio = cmp.Or(l.Ratio, d.Ratio)
	l.Window = cmp.Or(l.Window, d.Window)
	l.Memory = cmp.Or(l.Memory, d.Memory)
	l.Keep = cmp.Or(l.Keep, d.Keep)
	l.Depth = cmp.Or(l.Depth, d.Depth)
	l.NameLength = cmp.Or(l.NameLength, d.NameLength)
	l.BZ2Scan = cmp.Or(l.BZ2Scan, d.BZ2Scan)
	l.BZ2Tail = cmp.Or(l.BZ2Tail, d.BZ2Tail)
	return l
}

// maxDecoded is how much may come out of compressed bytes.
func (l Limits) maxDecoded(compressed int64) int64 {
	if compressed > (1<<62)/l.Ratio {
		return 1 << 62
	}
	return max(freeDecoded, compressed*l.Ratio)
}
