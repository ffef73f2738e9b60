package registry

// CopyMode says what Copy does about files that the target has already.
type CopyMode string

// The modes of Copy: anaconda-client's POST, PUT (--replace) and PATCH
// (--update).
const (
	CopyNew     CopyMode = "copy"    // refuse all if one is there
	CopyReplace CopyMode = "replace" // put what is there into the trash
	CopyUpdate  CopyMode = "update"  // copy only what is missing
)

// CopyRequest chooses the files of a version that carry FromLabel; Basename ""
// means all of them. Labels default to main, ToOwner to Owner.
type CopyRequest struct {
	Owner     string
	Package   string
	Version   string
	Basename  string
	ToOwner   string
	FromLabel string
	ToLabel   string
	Mode      CopyMode
}
