package registry

// Swept is what GC removed, or would remove.
type Swept struct {
	Files   int // out of the trash
	Uploads int // staged, never committed
	Blobs   int
	Bytes   int64
	Shards  int // addresses of shards older than 7 days
}
