package registry

import (
	"context"
	"encoding/json/jsontext"
	"errors"
	"io"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/blob"
)

var errStub = errors.New("registry: not there yet")

type (
	openedCache struct{}
	counter     struct{}
)

// OpenChannel decides whether actor may read OWNER/CHANNEL and what they see of
// it ("" = main). It is the door of /conda: nobody known gets
// errs.Unauthenticated with the reason "private-or-absent" for a channel that is
// private or absent, a stranger errs.NotFound, a member without the right
// errs.Forbidden, everybody errs.NotFound for an owner that does not exist. The
// answer is cached until somebody's rights change; its Channel.Generation is of
// when it was made, ask Generation for the present one.
func (r *Registry) OpenChannel(ctx context.Context, actor access.Actor, owner, channel string) (Opened, error) {
	return Opened{}, errStub
}

// Generation is the last committed generation of a channel, read from the
// database: one point read.
func (r *Registry) Generation(ctx context.Context, channelID string) (int64, error) {
	return 0, errStub
}

// Channel is one channel as the API shows it: errs.NotFound for what the caller
// may not read.
func (r *Registry) Channel(ctx context.Context, actor access.Actor, owner, name string) (Channel, error) {
	return Channel{}, errStub
}

// Channels lists the channels of an owner that the caller may read, main first.
func (r *Registry) Channels(ctx context.Context, actor access.Actor, owner string) ([]ChannelInfo, error) {
	return nil, errStub
}

// ChannelFiles lists the files that carry a label and that the caller may read,
// oldest upload first.
func (r *Registry) ChannelFiles(ctx context.Context, actor access.Actor, owner, name string) ([]File, error) {
	return nil, errStub
}

// CreateChannel makes a channel; admin on the owner is needed. errs.Exists when
// it is there.
func (r *Registry) CreateChannel(ctx context.Context, actor access.Actor, owner string, c NewChannel) (Channel, error) {
	return Channel{}, errStub
}

// UpdateChannel changes a channel; admin is needed.
func (r *Registry) UpdateChannel(ctx context.Context, actor access.Actor, owner, name string, u ChannelUpdate) (Channel, error) {
	return Channel{}, errStub
}

// SetVisibility is UpdateChannel for the visibility alone.
func (r *Registry) SetVisibility(ctx context.Context, actor access.Actor, owner, name, visibility string) error {
	return errStub
}

// LockChannel lets no file come or go until UnlockChannel. Locking what is
// locked is no error. Admin on the channel is needed.
func (r *Registry) LockChannel(ctx context.Context, actor access.Actor, owner, name string) error {
	return errStub
}

// UnlockChannel undoes LockChannel.
func (r *Registry) UnlockChannel(ctx context.Context, actor access.Actor, owner, name string) error {
	return errStub
}

// FreezeChannel makes the channel serve a generation, 0 = the present one, while
// uploads go on.
func (r *Registry) FreezeChannel(ctx context.Context, actor access.Actor, owner, name string, generation int64) (Channel, error) {
	return Channel{}, errStub
}

// ThawChannel undoes FreezeChannel.
func (r *Registry) ThawChannel(ctx context.Context, actor access.Actor, owner, name string) (Channel, error) {
	return Channel{}, errStub
}

// AddLabel puts the selected files into OWNER/LABEL, which is made if need be,
// and gives how many came. errs.Forbidden when it is locked or not local.
func (r *Registry) AddLabel(ctx context.Context, actor access.Actor, owner, label string, s Selector) (int, error) {
	return 0, errStub
}

// RemoveLabel takes the selected files out of OWNER/LABEL and gives how many
// went. The channel stays.
func (r *Registry) RemoveLabel(ctx context.Context, actor access.Actor, owner, label string, s Selector) (int, error) {
	return 0, errStub
}

// CopyLabel puts all files of one label into another and gives how many came.
func (r *Registry) CopyLabel(ctx context.Context, actor access.Actor, owner, from, to string) (int, error) {
	return 0, errStub
}

// Package is one package with its versions; errs.NotFound for what the caller
// may not read.
func (r *Registry) Package(ctx context.Context, actor access.Actor, owner, name string) (Package, error) {
	return Package{}, errStub
}

// CreatePackage makes a package. Where it is there already it is given
// unchanged with created = false, so that two uploads may race.
func (r *Registry) CreatePackage(ctx context.Context, actor access.Actor, owner, name string, n NewPackage) (p Package, created bool, err error) {
	return Package{}, false, errStub
}

// UpdatePackage lays the keys of attrs over the package's public attributes.
func (r *Registry) UpdatePackage(ctx context.Context, actor access.Actor, owner, name string, attrs jsontext.Value) (Package, error) {
	return Package{}, errStub
}

// DeletePackage puts all files of the package into the trash and frees its name.
func (r *Registry) DeletePackage(ctx context.Context, actor access.Actor, owner, name string) error {
	return errStub
}

// SetPrivate makes a package private or public; admin is needed.
func (r *Registry) SetPrivate(ctx context.Context, actor access.Actor, owner, name string, private bool) (Package, error) {
	return Package{}, errStub
}

// Packages lists packages that the caller may read.
func (r *Registry) Packages(ctx context.Context, actor access.Actor, f PackageFilter) (PackageList, error) {
	return PackageList{}, errStub
}

// Search finds packages that the caller may read.
func (r *Registry) Search(ctx context.Context, actor access.Actor, q Query) (SearchResult, error) {
	return SearchResult{}, errStub
}

// Release is one version of a package.
func (r *Registry) Release(ctx context.Context, actor access.Actor, owner, pkg, version string) (Release, error) {
	return Release{}, errStub
}

// Releases lists the versions of a package, oldest first by conda's order.
func (r *Registry) Releases(ctx context.Context, actor access.Actor, owner, pkg string) ([]Release, error) {
	return nil, errStub
}

// LatestRelease is the newest version among the files of main, or a release
// really called "latest".
func (r *Registry) LatestRelease(ctx context.Context, actor access.Actor, owner, pkg string) (Release, error) {
	return Release{}, errStub
}

// CreateRelease makes a release; the one that is there is given unchanged with
// created = false.
func (r *Registry) CreateRelease(ctx context.Context, actor access.Actor, owner, pkg, version string, n NewRelease) (rel Release, created bool, err error) {
	return Release{}, false, errStub
}

// UpdateRelease changes what is said about a release.
func (r *Registry) UpdateRelease(ctx context.Context, actor access.Actor, owner, pkg, version string, u ReleaseUpdate) (Release, error) {
	return Release{}, errStub
}

// DeleteRelease puts all files of a version into the trash and frees it.
func (r *Registry) DeleteRelease(ctx context.Context, actor access.Actor, owner, pkg, version string) error {
	return errStub
}

// File is one live file with its labels.
func (r *Registry) File(ctx context.Context, actor access.Actor, owner, pkg, version, basename string) (File, error) {
	return File{}, errStub
}

// FileByID is File by the id that a dist has; trashed files are not found.
func (r *Registry) FileByID(ctx context.Context, actor access.Actor, id string) (File, error) {
	return File{}, errStub
}

// Files lists the live files of a package, or of one version of it, oldest
// upload first.
func (r *Registry) Files(ctx context.Context, actor access.Actor, owner, pkg, version string) ([]File, error) {
	return nil, errStub
}

// FileAt is the file that an opened channel serves under SUBDIR/NAME, withdrawn
// ones too: errs.Gone when it is in the trash, errs.NotFound otherwise. It is
// one point read; Labels is nil.
func (r *Registry) FileAt(ctx context.Context, opened Opened, subdir, name string) (File, error) {
	return File{}, errStub
}

// FileAtGeneration is FileAt for the channel as it was; a file that was deleted
// since is found as long as its bytes are kept.
func (r *Registry) FileAtGeneration(ctx context.Context, opened Opened, generation int64, subdir, name string) (File, error) {
	return File{}, errStub
}

// OpenFile opens the bytes of a file. A file of which only metadata was imported
// is fetched from its source first and verified against size and SHA-256; a
// source that is away or gives other bytes is errs.Unavailable.
func (r *Registry) OpenFile(ctx context.Context, f File) (*blob.Reader, error) {
	return nil, errStub
}

// FileInfo is what the archive says of itself.
func (r *Registry) FileInfo(ctx context.Context, actor access.Actor, f File) (Info, error) {
	return Info{}, errStub
}

// DeleteFile puts a file into the trash and gives what it was.
func (r *Registry) DeleteFile(ctx context.Context, actor access.Actor, owner, pkg, version, basename string) (File, error) {
	return File{}, errStub
}

// RestoreFile takes a file out of the trash, with the labels it had. errs.Exists
// when its name has been taken since.
func (r *Registry) RestoreFile(ctx context.Context, actor access.Actor, fileID string) (File, error) {
	return File{}, errStub
}

// Trash lists the deleted files of an owner, newest first; write is needed.
func (r *Registry) Trash(ctx context.Context, actor access.Actor, owner string) ([]File, error) {
	return nil, errStub
}

// Withdraw takes a file out of the index only; its address still works.
func (r *Registry) Withdraw(ctx context.Context, actor access.Actor, owner, pkg, version, basename, why string) (File, error) {
	return File{}, errStub
}

// Unwithdraw undoes Withdraw.
func (r *Registry) Unwithdraw(ctx context.Context, actor access.Actor, owner, pkg, version, basename string) (File, error) {
	return File{}, errStub
}

// Copy gives files of one owner to another, or another label to files of the
// same owner. It gives the copies.
func (r *Registry) Copy(ctx context.Context, actor access.Actor, c CopyRequest) ([]File, error) {
	return nil, errStub
}

// Stage announces a file. errs.Exists when it is there, errs.NotFound when its
// package or release is not.
func (r *Registry) Stage(ctx context.Context, actor access.Actor, s StageRequest) (Staged, error) {
	return Staged{}, errStub
}

// Receive takes the bytes of an announced file; secret is the only credential
// and works once. Size and digests are compared; the archive is read and what
// is wrong with it is told by Commit.
func (r *Registry) Receive(ctx context.Context, secret string, body io.Reader, d Declared) error {
	return errStub
}

// Commit publishes a received file. The path must be the one that was staged.
func (r *Registry) Commit(ctx context.Context, actor access.Actor, owner, pkg, version, basename, stageID string) (File, error) {
	return File{}, errStub
}

// Upload publishes a file sent in one request and makes package and release if
// need be. Equal bytes again give the file that is there with created = false,
// other bytes errs.Exists.
func (r *Registry) Upload(ctx context.Context, actor access.Actor, u UploadRequest) (f File, created bool, err error) {
	return File{}, false, errStub
}

// Import loads an existing channel, one generation a subdir. Files that are
// there already with the same bytes are kept as they are.
func (r *Registry) Import(ctx context.Context, actor access.Actor, owner, channel string, src ImportSource, progress ImportProgress) (ImportReport, error) {
	return ImportReport{}, errStub
}

// CountDownload counts one download of a file. It only takes a lock in memory;
// rows follow within a second.
func (r *Registry) CountDownload(f File) {}

// FlushDownloads writes the counts that are still in memory.
func (r *Registry) FlushDownloads(ctx context.Context) error { return errStub }

// Downloads is the series of downloads of a package over the last days, oldest
// first, days without any included.
func (r *Registry) Downloads(ctx context.Context, actor access.Actor, owner, pkg string, days int) ([]Day, error) {
	return nil, errStub
}

// Stats counts what the caller may read.
func (r *Registry) Stats(ctx context.Context, actor access.Actor) (Stats, error) {
	return Stats{}, errStub
}

// GC empties the trash of what is over its time, forgets uploads that were never
// committed and removes bytes that no row names and that are older than grace.
func (r *Registry) GC(ctx context.Context, dryRun bool, grace time.Duration) (Swept, error) {
	return Swept{}, errStub
}

// Fsck compares rows, records and bytes. With digests it reads every blob.
func (r *Registry) Fsck(ctx context.Context, digests bool) (Report, error) {
	return Report{}, errStub
}
