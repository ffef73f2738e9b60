package registry

// Selector names files of one owner; nil widens: all of the owner, of a
// package, of a version, or one file.
type Selector struct {
	Package  *string
	Version  *string
	Basename *string
}
