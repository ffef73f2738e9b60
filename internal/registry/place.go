package registry

import (
	"context"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// placing is how an accepted file becomes rows.
type placing struct {
	owner        string
	labels       []string // none = main
	attrs        jsontext.Value
	dependencies jsontext.Value
	description  string
	classic      bool // package and release must be there; any file of the name is errs.Exists
	private      bool // of a package that is made
	force        bool // put the file of the name into the trash
}

// placed is what place did.
type placed struct {
	file    File
	created bool
}

// place writes the rows of an accepted file whose bytes are kept: package and
// release if need be, the file, its labels and records.
func (c *change) place(ctx context.Context, a accepted, p placing) (placed, error) {
	o, err := c.loadOwner(ctx, p.owner)
	if err != nil {
		return placed{}, err
	}
	pkg, err := c.loadPackage(ctx, access.Read, o.Name, a.Package)
	isNew := errs.Is(err, errs.NotFound)
	switch {
	case isNew && p.classic:
		return placed{}, err
	case isNew:
		pkg = Package{OwnerID: o.ID, OwnerName: o.Name, OwnerKind: o.Kind, Name: a.Package, Private: p.private, Attrs: jsontext.Value("{}"), Types: []string{}}
	case err != nil:
		return placed{}, err
	}
	channels, err := c.targets(ctx, o, pkg, p.labels)
	if err != nil {
		return placed{}, err
	}
	if isNew {
		if err := vacant(ctx, c.tx, o, a.Package); err != nil {
			return placed{}, err
		}
	}
	if !mixes(pkg.Types, a.Type) {
		return placed{}, mixed(pkg, a.Type)
	}
	old, err := c.sameName(ctx, o, pkg, a)
	taken := err == nil
	if taken {
		// What is closed to the uploader is neither replaced nor labelled.
		if err := c.seesFile(ctx, old, existing(old, a)); err != nil {
			return placed{}, err
		}
	}
	switch {
	case !taken && !errs.Is(err, errs.NotFound):
		return placed{}, err
	case taken && !p.force && !p.classic && old.SHA256 == a.SHA256 && old.Basename == a.basename():
		if old.WithdrawnAt != nil { // whoever hears that it is there would look for it in vain
			return placed{}, errs.New(errs.Exists, "%s is there but was withdrawn%s, so no index lists it. Put it back on its page, or raise the build number.",
				old.FullName(), because(old.WithdrawnWhy)).Because("file-withdrawn")
		}
		return c.placeAgain(ctx, old, channels)
	case taken && !p.force:
		return placed{}, existing(old, a)
	case taken:
		if err := may(c.actor, access.Write, old.object()); err != nil {
			return placed{}, err
		}
	}
	if err := c.unhidden(ctx, o, a); err != nil {
		return placed{}, err
	}
	if err := c.twin(ctx, o, a); err != nil {
		return placed{}, err
	}
	if taken {
		if err := c.trash(ctx, []File{old}, "file.delete"); err != nil {
			return placed{}, err
		}
	}
	if isNew {
		if pkg, err = c.createPackage(ctx, o, a.Package, p.private, packageAttrs(a)); err != nil {
			return placed{}, err
		}
	}
	rel, err := findRelease(ctx, c.tx, pkg, a.Version)
	if errs.Is(err, errs.NotFound) && !p.classic {
		rel, err = c.createRelease(ctx, pkg, a.Version, NewRelease{Attrs: a.About})
	}
	if err != nil {
		return placed{}, err
	}
	f, err := c.insertFile(ctx, pkg, rel, a, p)
	if err != nil {
		return placed{}, err
	}
	for _, ch := range channels {
		if ch, err = c.ensureChannel(ctx, o, ch); err != nil {
			return placed{}, err
		}
		if _, err := c.label(ctx, ch, []File{f}); err != nil {
			return placed{}, err
		}
		f.Labels = append(f.Labels, ch.Name)
	}
	slices.Sort(f.Labels)
	if taken {
		err = c.refreshPackage(ctx, pkg.ID)
	} else {
		err = c.gained(ctx, pkg, f)
	}
	if err != nil {
		return placed{}, err
	}
	if after := c.r.opts.AfterUpload; after != nil && f.Type == "conda" && !a.Checked {
		if _, err := c.exec(ctx, "INSERT INTO unchecked_files (file_id) VALUES ($1)", f.ID); err != nil {
			return placed{}, fmt.Errorf("note that %s is unchecked: %w", f.FullName(), err)
		}
		if err := after(ctx, c.tx); err != nil {
			return placed{}, fmt.Errorf("enqueue the check of %s: %w", f.FullName(), err)
		}
	}
	err = c.audit(ctx, audit.Entry{
		Action: "file.upload", OwnerID: f.OwnerID, ObjectKind: "file", ObjectID: f.ID, ObjectName: f.FullName(),
		After: fileFacts(f),
	})
	return placed{file: f, created: true}, err
}

// placeAgain answers an upload of bytes that are there already: it adds the
// labels that are missing and nothing else.
func (c *change) placeAgain(ctx context.Context, f File, channels []Channel) (placed, error) {
	labels, err := c.labelsOf(ctx, f.ID)
	if err != nil {
		return placed{}, err
	}
	f.Labels = labels
	for _, ch := range channels {
		if slices.Contains(labels, ch.Name) {
			continue
		}
		ch, err := c.ensureChannel(ctx, owner{f.OwnerID, f.OwnerName, f.OwnerKind}, ch)
		if err != nil {
			return placed{}, err
		}
		if _, err := c.label(ctx, ch, []File{f}); err != nil {
			return placed{}, err
		}
		if err := c.relabelled(ctx, ch, []File{f}); err != nil {
			return placed{}, err
		}
		f.Labels = append(f.Labels, ch.Name)
	}
	if len(f.Labels) > len(labels) {
		slices.Sort(f.Labels)
		err = c.audit(ctx, audit.Entry{
			Action: "file.label", OwnerID: f.OwnerID, ObjectKind: "file", ObjectID: f.ID, ObjectName: f.FullName(),
			Before: map[string]any{"labels": labels}, After: map[string]any{"labels": f.Labels},
		})
		if err != nil {
			return placed{}, err
		}
	}
	shown, err := c.r.labelled(ctx, c.tx, whole(c.actor), []File{f})
	if err != nil {
		return placed{}, err
	}
	for _, s := range shown {
		f.Labels = s.Labels // the others are not the uploader's to know
	}
	return placed{file: f}, nil
}

// fileFacts are what the audit log says about a file.
func fileFacts(f File) map[string]any {
	return map[string]any{"type": f.Type, "size": f.Size, "sha256": f.SHA256, "labels": f.Labels}
}

// because gives a reason as the end of a clause.
func because(why string) string {
	if why == "" {
		return ""
	}
	return " (" + strings.TrimSuffix(why, ".") + ")"
}

// mixed is the refusal of a type that may not join a package.
func mixed(p Package, t string) error {
	return errs.New(errs.Invalid, "%s holds files of the type %s; a file of the type %s cannot join it. Choose another package name.",
		p.FullName(), strings.Join(p.Types, ", "), t).Because("type-differs")
}

// existing is the refusal of a file whose name is taken.
func existing(old File, a accepted) error {
	if old.Basename != a.basename() {
		return errs.New(errs.Exists, "%s exists already and differs from %s only in case, which some file systems cannot tell apart.",
			old.FullName(), a.FileName).Because("file-exists")
	}
	return errs.New(errs.Exists, "%s exists already. Delete it first, or upload with --force to replace it.", old.FullName()).Because("file-exists")
}

// sameName finds the live file whose name an accepted file wants: for conda
// packages the one of that name in the subdir, in whatever case.
func (c *change) sameName(ctx context.Context, o owner, p Package, a accepted) (File, error) {
	return sameName(ctx, c.tx, o, p.ID, a.Type, a.Subdir, a.FileName, a.Version)
}

func sameName(ctx context.Context, db *sqldb.DB, o owner, packageID, fileType, subdir, name, version string) (File, error) {
	absent := errs.New(errs.NotFound, "There is no such file.")
	if fileType == "conda" {
		return findFile(ctx, db, absent, " WHERE f.owner_id = $1 AND f.subdir = $2 AND f.name_key = $3 AND f.type = 'conda' AND f.deleted_at IS NULL",
			o.ID, subdir, strings.ToLower(name))
	}
	return findFile(ctx, db, absent, " WHERE f.package_id = $1 AND f.version = $2 AND f.basename = $3 AND f.deleted_at IS NULL",
		packageID, version, name)
}

// unhidden refuses a conda package whose name is that of a file which is being
// loaded and cannot be seen yet. Of an import that was broken off, it takes the file
// away.
func (c *change) unhidden(ctx context.Context, o owner, a accepted) error {
	if a.Type != "conda" {
		return nil
	}
	return c.unloaded(ctx, a.FileName+" is", o.Name, "f.owner_id = $1 AND f.subdir = $2 AND f.name_key = $3 AND f.type = 'conda'", o.ID, a.Subdir, strings.ToLower(a.FileName))
}

// unloaded is unhidden for all files f that a condition chooses; what they are
// begins the sentence of the refusal.
func (c *change) unloaded(ctx context.Context, what, ownerName, condition string, args ...any) error {
	if some, err := c.stagings(ctx); err != nil || !some {
		return err
	}
	type hidden struct {
		id   string
		held time.Time
	}
	// What its holder writes at this moment may have renewed the hold already.
	lock := c.lock()
	if lock != "" {
		lock += " OF s"
	}
	files, err := sqldb.All(ctx, c.tx, func(rows *sqldb.Rows, h *hidden) error { return rows.Scan(&h.id, &h.held) },
		"SELECT f.id, s.held_until FROM file_rows f JOIN stagings s ON s.id = f.staging WHERE f.deleted_at IS NULL AND "+condition+lock, args...)
	if err != nil {
		return fmt.Errorf("look among what is being loaded: %w", err)
	}
	if len(files) == 0 {
		return nil
	}
	ids := make([]string, len(files))
	for i, f := range files {
		if f.held.After(c.now) {
			return errs.New(errs.Unavailable, "%s being imported into a channel of %s at this moment. Try again when that is done.", what, ownerName).Because("staging")
		}
		ids[i] = f.id
	}
	// Imports that were broken off have them, and may never go on.
	loaded := "(SELECT value FROM " + c.tx.EachText("$1") + " AS loaded)"
	for _, table := range []string{"records", "file_channels", "file_info", "download_days"} {
		if _, err := c.exec(ctx, "DELETE FROM "+table+" WHERE file_id IN "+loaded, ids); err != nil {
			return fmt.Errorf("take files from an import that was broken off: %w", err)
		}
	}
	if _, err := c.exec(ctx, "DELETE FROM file_rows WHERE id IN "+loaded, ids); err != nil {
		return fmt.Errorf("take files from an import that was broken off: %w", err)
	}
	return nil
}

// twin checks a file against the other format of the same build: both must say
// the same, since a solver takes either.
func (c *change) twin(ctx context.Context, o owner, a accepted) error {
	if a.Type != "conda" {
		return nil
	}
	name, err := conda.SplitFileName(a.FileName)
	if err != nil {
		return err
	}
	other := name
	other.Format = conda.FormatConda
	if name.Format == conda.FormatConda {
		other.Format = conda.FormatTarBz2
	}
	var theirs []byte
	err = c.tx.Row(ctx, `SELECT record_json FROM files WHERE owner_id = $1 AND subdir = $2 AND name_key = $3
		AND type = 'conda' AND deleted_at IS NULL AND record_json IS NOT NULL`, o.ID, a.Subdir, strings.ToLower(other.String())).Scan(&theirs)
	if errors.Is(err, sqldb.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the twin of %s: %w", a.FileName, err)
	}
	was, err := conda.ParseRecord(theirs)
	if err != nil {
		return fmt.Errorf("read the record of %s: %w", other, err)
	}
	is, err := conda.ParseRecord(a.RecordJSON)
	if err != nil {
		return fmt.Errorf("read the record of %s: %w", a.FileName, err)
	}
	for _, d := range []struct {
		key   string
		equal bool
	}{
		{"build_number", is.BuildNumber == was.BuildNumber},
		{"depends", slices.Equal(is.Depends, was.Depends)},
		{"constrains", slices.Equal(is.Constrains, was.Constrains)},
		{"noarch", is.Noarch == was.Noarch},
		{"track_features", is.TrackFeatures == was.TrackFeatures},
	} {
		if !d.equal {
			return errs.New(errs.Invalid, "%s and %s are the same build in two formats, but their %s differ. Convert one into the other, or raise the build number.",
				a.FileName, other, d.key).Because("twin-differs")
		}
	}
	return nil
}

// insertFile writes the rows of a file.
func (c *change) insertFile(ctx context.Context, p Package, rel Release, a accepted, how placing) (File, error) {
	attrs, err := overlay(how.attrs, a.Attrs)
	if err != nil {
		return File{}, err
	}
	f := File{
		ID: access.NewID(c.now), OwnerID: p.OwnerID, OwnerName: p.OwnerName, OwnerKind: p.OwnerKind, PackageID: p.ID, PackageName: p.Name,
		Private: p.Private, ReleaseID: rel.ID, Type: a.Type, Subdir: a.Subdir, Name: a.FileName, Basename: a.basename(), Version: a.Version,
		Build: a.Build, BuildNumber: a.BuildNumber, Size: a.Size, MD5: a.MD5, SHA256: a.SHA256, Stored: true, License: a.License, Attrs: attrs,
		Dependencies: how.dependencies, Description: how.description, UploadedBy: c.actor.Name, UploadedAt: c.now,
		IndexedAt: unixMilli(a.IndexedMS), IndexedSource: "seen", Labels: []string{},
	}
	_, err = c.exec(ctx, `INSERT INTO file_rows (id, owner_id, package_id, release_id, type, subdir, name, name_key, basename, version, build,
		build_number, size, md5, sha256, stored, attrs, dependencies, description, record_json, record_msgpack, run_exports,
		uploaded_by, uploaded_at, license, timestamp_ms, indexed_ms, indexed_source)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28)`,
		f.ID, f.OwnerID, f.PackageID, f.ReleaseID, f.Type, f.Subdir, f.Name, strings.ToLower(f.Name), f.Basename, f.Version, f.Build,
		f.BuildNumber, f.Size, f.MD5, f.SHA256, f.Stored, f.Attrs, f.Dependencies, f.Description, a.RecordJSON, a.RecordMsgpack, a.RunExports,
		f.UploadedBy, f.UploadedAt, f.License, a.TimestampMS, a.IndexedMS, f.IndexedSource)
	if err != nil {
		return File{}, fmt.Errorf("insert file %s: %w", f.FullName(), err)
	}
	if a.Type != "conda" {
		return f, nil
	}
	_, err = c.exec(ctx, "INSERT INTO file_info (file_id, about, readme, readme_name, paths, members, flags) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		f.ID, a.About, a.README, a.READMEName, a.Paths, a.Members, a.Flags)
	if err != nil {
		return File{}, fmt.Errorf("insert the info of %s: %w", f.FullName(), err)
	}
	return f, nil
}

// packageAttrs makes the public attributes of a package that an upload makes, in
// the manner of anaconda-client, from what the archive says.
func packageAttrs(a accepted) jsontext.Value {
	about := map[string]jsontext.Value{}
	if a.About != nil {
		if json.Unmarshal(a.About, &about) != nil {
			about = map[string]jsontext.Value{}
		}
	}
	attrs := map[string]jsontext.Value{}
	for _, key := range []string{"summary", "description", "license", "license_url", "license_family", "dev_url", "doc_url", "home", "source_git_url", "keywords"} {
		if v, ok := about[key]; ok {
			attrs[key] = v
		}
	}
	for key, s := range map[string]string{"name": a.Package, "license": a.License} {
		if text, err := json.Marshal(s); err == nil && s != "" {
			attrs[key] = text
		}
	}
	attrs["package_types"] = jsontext.Value(`["` + a.Type + `"]`)
	out, err := json.Marshal(attrs, json.Deterministic(true))
	if err != nil {
		return jsontext.Value("{}")
	}
	return out
}
