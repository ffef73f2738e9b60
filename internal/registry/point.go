package registry

// The steps of publishing at which a crash test may end the process, in the
// order in which an upload passes them.
const (
	pointReceived       = "upload.received"       // all bytes are in the temporary file
	pointParsed         = "upload.parsed"         // the archive was read and accepted
	pointBlobCommitted  = "upload.blob-committed" // the bytes are kept, no row names them
	pointStaged         = "upload.staged"         // a classic upload waits for its commit
	pointRowsWritten    = "change.rows-written"   // inside the transaction
	pointCommitted      = "change.committed"      // rows are there, the index is not
	pointPublished      = "change.published"      // the index is there, the caller has no answer
	pointLargeWritten   = "large.rows-written"    // inside the transaction that makes a generation to come the current one
	pointLargeCommitted = "large.committed"       // it is the current one, the index does not know
	pointImportBatch    = "import.batch"          // some records of a generation to come, of an import, a label or a hotfix
	pointImportCurrent  = "import.current"        // the imported generation is the current one
	pointSwept          = "gc.rows-deleted"       // rows are gone, bytes are still there
	pointErased         = "erase.batch"           // some files of a deleted owner are gone
)
