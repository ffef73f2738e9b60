package registry

// Report is what Fsck found.
type Report struct {
	Files       int // rows looked at
	Records     int
	Blobs       int
	Faults      []Fault // what is wrong; none = clean
	Orphans     int     // blobs that no row names: no fault, GC sweeps them
	OrphanBytes int64
}

// Fault is one thing wrong, in a sentence.
type Fault struct {
	Kind   string // "blob-missing", "blob-size", "blob-digest", "record-without-file", …
	Object string // OWNER/PACKAGE/VERSION/BASENAME or CHANNEL/SUBDIR/FILE
	Detail string
}
