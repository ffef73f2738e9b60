package registry

import (
	"cmp"
	"context"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"slices"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// File is one uploaded or imported archive.
type File struct {
	ID            string
	OwnerID       string
	OwnerName     string
	OwnerKind     string
	PackageID     string
	PackageName   string
	Private       bool // of the package
	ReleaseID     string
	Type          string // "conda", "pypi", "r", "ipynb", "env", "file"
	Subdir        string // conda only
	Name          string // file name without subdir
	Basename      string // conda: SUBDIR/NAME, else NAME
	Version       string
	Build         string
	BuildNumber   int64
	Size          int64  // bytes
	MD5           string // lower-case hex; may be "" for imported files
	SHA256        string // lower-case hex
	Stored        bool   // the bytes are in the blob store
	SourceURL     string // where bytes not yet stored are fetched
	License       string
	Attrs         jsontext.Value // what the archive says over what the client said
	Dependencies  jsontext.Value // as the client sent them; nil = none
	Description   string
	UploadedBy    string // name of the uploader
	UploadedAt    time.Time
	IndexedAt     time.Time // CEP 47: when this server first saw the file
	IndexedSource string    // "seen", "upstream", "timestamp", "now"
	Downloads     int64
	WithdrawnAt   *time.Time // taken out of the index only
	WithdrawnWhy  string
	DeletedAt     *time.Time // in the trash since
	DeletedBy     string
	Labels        []string // names of channels, sorted; nil from FileAt
}

// FullName is OWNER/PACKAGE/VERSION/BASENAME.
func (f File) FullName() string {
	return f.OwnerName + "/" + f.PackageName + "/" + f.Version + "/" + f.Basename
}

// Info is what an archive says of itself, for pages and channeldata.
type Info struct {
	About      jsontext.Value // info/about.json; nil = none
	README     string
	READMEName string
	Paths      []PathEntry
	Members    []Member
	Flags      Flags
}

// Flags says of a package's files what channeldata.json does (CEP 38).
type Flags struct {
	ActivateD    bool `json:"activate.d"` // scripts run when an environment is entered
	DeactivateD  bool `json:"deactivate.d"`
	PreLink      bool `json:"pre_link"`
	PostLink     bool `json:"post_link"`
	PreUnlink    bool `json:"pre_unlink"`
	TextPrefix   bool `json:"text_prefix"` // files that hold the placeholder of the prefix
	BinaryPrefix bool `json:"binary_prefix"`
}

// PathEntry is one file that a package installs.
type PathEntry struct {
	Path   string `json:"path"`
	Size   int64  `json:"size,omitzero"`
	SHA256 string `json:"sha256,omitzero"`
	Type   string `json:"type,omitzero"`
}

// Member is one member below info/ of an archive.
type Member struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// File is one live file with its labels; errs.NotFound for what the caller may
// not read.
func (r *Registry) File(ctx context.Context, actor access.Actor, owner, pkg, version, basename string) (File, error) {
	p, err := loadPackage(ctx, r.db, actor, access.Read, owner, pkg)
	if err != nil {
		return File{}, err
	}
	absent := noFile(p, version, basename)
	f, err := findFile(ctx, r.db, absent, " WHERE f.package_id = $1 AND f.version = $2 AND f.basename = $3 AND f.deleted_at IS NULL",
		p.ID, version, basename)
	if err != nil {
		return File{}, err
	}
	return r.seen(ctx, actor, f, absent)
}

// FileByID is File by the id that a file has. Files in the trash are not found.
func (r *Registry) FileByID(ctx context.Context, actor access.Actor, id string) (File, error) {
	absent := errs.New(errs.NotFound, "There is no file with the id %q.", id)
	f, err := findFile(ctx, r.db, absent, " WHERE f.id = $1 AND f.deleted_at IS NULL AND o.deleted_at IS NULL", id)
	if err != nil {
		return File{}, err
	}
	if !access.Can(actor, access.Read, f.object()).Allowed {
		return File{}, absent
	}
	return r.seen(ctx, actor, f, absent)
}

// Files lists the live files of a package, or of one version of it where version
// is not "", oldest upload first.
func (r *Registry) Files(ctx context.Context, actor access.Actor, owner, pkg, version string) ([]File, error) {
	p, err := loadPackage(ctx, r.db, actor, access.Read, owner, pkg)
	if err != nil {
		return nil, err
	}
	list, err := sqldb.All(ctx, r.db, scanFile, fileColumns+fileFrom+`
		WHERE f.package_id = $1 AND ($2 = '' OR f.version = $2) AND f.deleted_at IS NULL
		ORDER BY f.uploaded_at, f.id`, p.ID, version)
	if err != nil {
		return nil, fmt.Errorf("list the files of %s: %w", p.FullName(), err)
	}
	return r.labelled(ctx, r.db, actor, list)
}

// FileAt is the file that an opened channel serves under SUBDIR/NAME, withdrawn
// ones too: errs.Gone when it is in the trash, errs.NotFound otherwise. Names
// are compared without regard to case. Labels is nil.
func (r *Registry) FileAt(ctx context.Context, opened Opened, subdir, name string) (File, error) {
	absent := func() error {
		return errs.New(errs.NotFound, "There is no file %s/%s in the channel %s/%s.", subdir, name, opened.Channel.OwnerName, opened.Channel.Name)
	}
	key := servedKey{opened.Channel.ID, subdir, strings.ToLower(name)}
	version, err := r.db.DataVersion(ctx)
	if err != nil {
		return File{}, fmt.Errorf("look whether the database changed: %w", err)
	}
	if f, ok := r.served.get(version, key); ok && !r.db.Postgres() {
		if opened.hides(f) {
			return File{}, absent()
		}
		return f, nil
	}
	var f File
	err = r.db.Within(ctx, func(ctx context.Context) (err error) {
		f, err = findFile(ctx, r.db, absent(), ` JOIN file_channels fc ON fc.file_id = f.id AND fc.channel_id = $2
			WHERE f.owner_id = $1 AND f.subdir = $3 AND f.name_key = $4 AND f.type = 'conda' AND f.deleted_at IS NULL`,
			opened.Channel.OwnerID, opened.Channel.ID, subdir, key.name)
		return err
	})
	if errs.Is(err, errs.NotFound) {
		return File{}, r.goneOr(ctx, absent(), opened, subdir, name)
	}
	if err != nil {
		return File{}, err
	}
	if !r.db.Postgres() {
		r.served.put(version, key, f)
	}
	if opened.hides(f) {
		return File{}, absent()
	}
	return f, nil
}

// goneOr gives errs.Gone for a file that was deleted from the channel and that
// the caller may know of, else the given refusal.
func (r *Registry) goneOr(ctx context.Context, absent error, opened Opened, subdir, name string) error {
	var args parameters
	where := " WHERE f.owner_id = " + args.add(opened.Channel.OwnerID) + " AND f.subdir = " + args.add(subdir) +
		" AND f.name_key = " + args.add(strings.ToLower(name)) + " AND f.type = 'conda' AND f.deleted_at IS NOT NULL" +
		" AND EXISTS (SELECT 1 FROM records r WHERE r.file_id = f.id AND r.channel_id = " + args.add(opened.Channel.ID) + ")"
	if len(opened.Hidden) > 0 {
		where += " AND p.name NOT IN (SELECT value FROM " + r.db.EachText(args.add(opened.Hidden)) + " AS hidden)"
	}
	if len(opened.HiddenPackages) > 0 {
		where += " AND p.id NOT IN (SELECT value FROM " + r.db.EachText(args.add(opened.HiddenPackages)) + " AS closed)"
	}
	f, err := findFile(ctx, r.db, absent, where+" ORDER BY f.deleted_at DESC LIMIT 1", args...)
	if err != nil {
		return err
	}
	return errs.New(errs.Gone, "%s was deleted from %s/%s on %s.", name, opened.Channel.OwnerName, opened.Channel.Name,
		f.DeletedAt.Format(time.DateOnly)).Because("deleted")
}

// ServedFile is FileAt as the index of the channel stands: in a frozen channel or
// a snapshot the file that the index names there, whatever became of it since.
// Files that were withdrawn are served on.
func (r *Registry) ServedFile(ctx context.Context, opened Opened, subdir, name string) (File, error) {
	if opened.Channel.FrozenAt == nil {
		return r.FileAt(ctx, opened, subdir, name)
	}
	f, err := r.FileAtGeneration(ctx, opened, *opened.Channel.FrozenAt, subdir, name)
	if !errs.Is(err, errs.NotFound) {
		return f, err
	}
	if now, also := r.FileAt(ctx, opened, subdir, name); also == nil && now.WithdrawnAt != nil {
		return now, nil
	}
	return File{}, err
}

// FileAtGeneration is FileAt for the channel as it was at a generation. A file
// that was deleted or replaced since is found as long as its bytes are kept.
func (r *Registry) FileAtGeneration(ctx context.Context, opened Opened, generation int64, subdir, name string) (File, error) {
	absent := errs.New(errs.NotFound, "There was no file %s/%s in the channel %s/%s then.",
		subdir, name, opened.Channel.OwnerName, opened.Channel.Name)
	f, err := findFile(ctx, r.db, absent, ` JOIN records r ON r.file_id = f.id
		WHERE r.channel_id = $1 AND r.subdir = $2 AND r.name = $5 AND r.file_name = $3 AND r.added <= $4 AND (r.removed IS NULL OR r.removed > $4)`,
		opened.Records().ID, subdir, name, generation, nameOfFile(name)())
	if errs.Is(err, errs.NotFound) {
		return File{}, absent
	}
	if err != nil {
		return File{}, err
	}
	if opened.hides(f) {
		return File{}, absent
	}
	return f, nil
}

// FileInfo is what the archive of a file says of itself. Files that are no
// archives, or of which only metadata was imported, have nothing to say.
func (r *Registry) FileInfo(ctx context.Context, actor access.Actor, f File) (Info, error) {
	if err := may(actor, access.Read, f.object()); err != nil {
		return Info{}, err
	}
	var info Info
	var paths, members, flags jsontext.Value
	rows, err := sqldb.All(ctx, r.db, func(rows *sqldb.Rows, i *Info) error {
		return rows.Scan(&i.About, &i.README, &i.READMEName, &paths, &members, &flags)
	}, "SELECT about, readme, readme_name, paths, members, flags FROM file_info WHERE file_id = $1", f.ID)
	if err != nil {
		return Info{}, fmt.Errorf("read the info of %s: %w", f.FullName(), err)
	}
	if len(rows) == 0 {
		return Info{}, nil
	}
	info = rows[0]
	for _, part := range []struct {
		from jsontext.Value
		to   any
	}{{paths, &info.Paths}, {members, &info.Members}, {flags, &info.Flags}} {
		if part.from == nil {
			continue
		}
		if err := json.Unmarshal(part.from, part.to); err != nil {
			return Info{}, fmt.Errorf("read the info of %s: %w", f.FullName(), err)
		}
	}
	return info, nil
}

// seen adds the labels to a file, or gives the refusal where the caller may read
// none of the channels that the file is in.
func (r *Registry) seen(ctx context.Context, actor access.Actor, f File, absent error) (File, error) {
	list, err := r.labelled(ctx, r.db, actor, []File{f})
	if err != nil {
		return File{}, err
	}
	if len(list) == 0 {
		return File{}, absent
	}
	return list[0], nil
}

// labelled adds to files the labels that the actor may know of, and drops the
// files all of whose labels are channels closed to them: a file that is only in
// a private channel is as private as that, and one without a label as the
// channel main of its owner. The rule in SQL is access.ClosedFiles.
func (r *Registry) labelled(ctx context.Context, db *sqldb.DB, actor access.Actor, files []File) ([]File, error) {
	if len(files) == 0 {
		return []File{}, nil
	}
	type label struct{ fileID, channelID, name, visibility string } // no name: main, for a file without a label
	labels := map[string][]label{}
	add := func(rows *sqldb.Rows) error {
		var l label
		if err := rows.Scan(&l.fileID, &l.channelID, &l.name, &l.visibility); err != nil {
			return err
		}
		labels[l.fileID] = append(labels[l.fileID], l)
		return nil
	}
	err := db.EachRow(ctx, add, `SELECT fc.file_id, c.id, c.name, c.visibility FROM file_channels fc JOIN channels c ON c.id = fc.channel_id
		WHERE fc.file_id IN (SELECT value FROM `+db.EachText("$1")+` AS wanted) ORDER BY c.name`, ids(files))
	if err != nil {
		return nil, fmt.Errorf("read labels: %w", err)
	}
	bare := slices.DeleteFunc(ids(files), func(id string) bool { return labels[id] != nil })
	if len(bare) > 0 {
		err := db.EachRow(ctx, add, `SELECT f.id, m.id, '', m.visibility FROM files f JOIN channels m ON m.owner_id = f.owner_id AND m.name = 'main'
			WHERE f.id IN (SELECT value FROM `+db.EachText("$1")+` AS wanted)`, bare)
		if err != nil {
			return nil, fmt.Errorf("read what stands for a label: %w", err)
		}
	}
	verdicts := verdicts{}
	kept := make([]File, 0, len(files))
	for _, f := range files {
		f.Labels = []string{}
		open := false
		for _, l := range labels[f.ID] {
			if !verdicts.opens(actor, Channel{ID: l.channelID, Name: cmp.Or(l.name, mainLabel), Visibility: l.visibility, OwnerID: f.OwnerID, OwnerName: f.OwnerName, OwnerKind: f.OwnerKind}) {
				continue
			}
			open = true
			if l.name != "" {
				f.Labels = append(f.Labels, l.name)
			}
		}
		if open {
			kept = append(kept, f)
		}
	}
	return kept, nil
}

// ids lists the ids of files.
func ids(files []File) []string {
	list := make([]string, len(files))
	for i, f := range files {
		list[i] = f.ID
	}
	return list
}
