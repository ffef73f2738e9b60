// Package conda holds the words of the conda world as Go types: versions and
// their order, version specs, match specs, package names, subdirs, file names,
// channel URLs and the record of one package file.
//
// It is pure: no file system, network, clock or database. It reads untrusted
// text, so every parser bounds its input and returns an error of kind
// [terrarium/internal/errs.Invalid] whose sentence is fit for the person who
// sent the text. Where the conda enhancement proposals (CEPs) and the conda
// program differ, it does what conda does, because that is what a user meets.
//
// The layout of archives is left to package archive, the documents that list
// records to package repodata.
package conda
