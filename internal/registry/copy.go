package registry

import (
	"cmp"
	"context"
	"encoding/json/jsontext"
	"fmt"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/errs"
)

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

// Copy gives files of one owner to another, or another label to files of the
// same owner, and gives the copies. Read on the package and write on the target
// are needed. A copy has the same bytes and the same record; a package that is
// made by it is as private as the source. Mode says what happens to files that
// the target has already.
func (r *Registry) Copy(ctx context.Context, actor access.Actor, q CopyRequest) (copies []File, err error) {
	q.FromLabel, q.ToLabel = strings.ToLower(cmp.Or(q.FromLabel, mainLabel)), strings.ToLower(cmp.Or(q.ToLabel, mainLabel))
	q.Mode, q.ToOwner = cmp.Or(q.Mode, CopyNew), cmp.Or(q.ToOwner, q.Owner)
	if q.Mode != CopyNew && q.Mode != CopyReplace && q.Mode != CopyUpdate {
		return nil, errs.New(errs.Invalid, "The mode of copying is copy, replace or update, and not %q.", clip(string(q.Mode))).On("mode")
	}
	err = r.change(ctx, actor, "copy", func(ctx context.Context, c *change) error {
		copies = []File{}
		source, err := c.loadChannel(ctx, access.Read, q.Owner, q.FromLabel)
		if err != nil {
			return err
		}
		s := Selector{Package: &q.Package, Version: &q.Version}
		if q.Basename != "" {
			s.Basename = &q.Basename
		}
		from, pkg, files, err := c.selected(ctx, q.Owner, s, source.ID)
		if err != nil {
			return err
		}
		to, err := c.loadOwner(ctx, q.ToOwner)
		if err != nil {
			return err
		}
		if len(files) == 0 {
			return nil
		}
		if to.ID == from.ID {
			copies, err = c.copyLabel(ctx, to, pkg, files, q)
		} else {
			copies, err = c.copyFiles(ctx, to, files, q)
		}
		if err != nil || len(copies) == 0 {
			return err
		}
		return c.audit(ctx, audit.Entry{
			Action: "file.copy", OwnerID: to.ID, ObjectKind: "package", ObjectName: to.Name + "/" + packageName(q.Package),
			After: map[string]any{
				"from": from.Name + "/" + packageName(q.Package) + "/" + q.Version, "from_label": q.FromLabel, "to_label": q.ToLabel,
				"mode": q.Mode, "files": len(copies),
			},
		})
	})
	if err != nil {
		return nil, err
	}
	return copies, nil
}

// copyLabel copies within one owner: the files are there, they only get a label.
func (c *change) copyLabel(ctx context.Context, o owner, p Package, files []File, q CopyRequest) ([]File, error) {
	ch, err := c.target(ctx, o, q.ToLabel)
	if err != nil {
		return nil, err
	}
	if err := c.writable(p, files, ch); err != nil {
		return nil, err
	}
	if ch, err = c.ensureChannel(ctx, o, ch); err != nil {
		return nil, err
	}
	if _, err := c.label(ctx, ch, files); err != nil {
		return nil, err
	}
	if err := c.relabelled(ctx, ch, files); err != nil {
		return nil, err
	}
	for i := range files {
		if files[i].Labels, err = c.labelsOf(ctx, files[i].ID); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// copyFiles copies to another owner. All checks come before the first write.
func (c *change) copyFiles(ctx context.Context, to owner, files []File, q CopyRequest) ([]File, error) {
	name := files[0].PackageName
	pkg, err := c.loadPackage(ctx, access.Read, to.Name, name)
	fresh := errs.Is(err, errs.NotFound)
	if err != nil && !fresh {
		return nil, err
	}
	if fresh {
		if err := vacant(ctx, c.tx, to, name); err != nil {
			return nil, err
		}
		pkg = Package{OwnerID: to.ID, OwnerName: to.Name, OwnerKind: to.Kind, Name: name, Private: files[0].Private, Types: []string{}}
	}
	channels, err := c.targets(ctx, to, pkg, []string{q.ToLabel})
	if err != nil {
		return nil, err
	}
	wanted := files[:0:0]
	var replaced []File
	for _, f := range files {
		if !mixes(pkg.Types, f.Type) {
			return nil, mixed(pkg, f.Type)
		}
		old, err := sameName(ctx, c.tx, to, pkg.ID, f.Type, f.Subdir, f.Name, f.Version)
		switch {
		case errs.Is(err, errs.NotFound):
		case err != nil:
			return nil, err
		case q.Mode == CopyNew:
			return nil, existing(old, accepted{Type: f.Type, Subdir: f.Subdir, FileName: f.Name})
		case q.Mode == CopyUpdate:
			continue
		default:
			if err := may(c.actor, access.Write, old.object()); err != nil {
				return nil, err
			}
			if err := c.seesFile(ctx, old, existing(old, accepted{Type: f.Type, Subdir: f.Subdir, FileName: f.Name})); err != nil {
				return nil, err
			}
			replaced = append(replaced, old)
		}
		wanted = append(wanted, f)
	}
	if len(wanted) == 0 {
		return []File{}, nil
	}
	for _, f := range wanted {
		if err := c.unhidden(ctx, to, accepted{Type: f.Type, Subdir: f.Subdir, FileName: f.Name}); err != nil {
			return nil, err
		}
	}
	if err := c.trash(ctx, replaced, "file.delete"); err != nil {
		return nil, err
	}
	if fresh {
		var attrs jsontext.Value
		if err := c.tx.Row(ctx, "SELECT attrs FROM packages WHERE id = $1", files[0].PackageID).Scan(&attrs); err != nil {
			return nil, fmt.Errorf("read the attributes of %s: %w", files[0].PackageName, err)
		}
		if pkg, err = c.createPackage(ctx, to, name, pkg.Private, attrs); err != nil {
			return nil, err
		}
	}
	copies := make([]File, len(wanted))
	for i, f := range wanted {
		if copies[i], err = c.copyFile(ctx, pkg, f); err != nil {
			return nil, err
		}
		copies[i].Labels = []string{q.ToLabel}
	}
	ch, err := c.ensureChannel(ctx, to, channels[0])
	if err != nil {
		return nil, err
	}
	if _, err := c.label(ctx, ch, copies); err != nil {
		return nil, err
	}
	return copies, c.refreshPackage(ctx, pkg.ID)
}

// copyFile writes the rows of a copy of a file. The bytes are shared.
func (c *change) copyFile(ctx context.Context, p Package, f File) (File, error) {
	rel, err := findRelease(ctx, c.tx, p, f.Version)
	if errs.Is(err, errs.NotFound) {
		var attrs jsontext.Value
		var description string
		err = c.tx.Row(ctx, "SELECT attrs, description FROM releases WHERE id = $1", f.ReleaseID).Scan(&attrs, &description)
		if err != nil {
			return File{}, fmt.Errorf("read the release of %s: %w", f.FullName(), err)
		}
		rel, err = c.createRelease(ctx, p, f.Version, NewRelease{Attrs: attrs, Description: description})
	}
	if err != nil {
		return File{}, err
	}
	copied := f
	copied.ID, copied.OwnerID, copied.OwnerName, copied.OwnerKind = access.NewID(c.now), p.OwnerID, p.OwnerName, p.OwnerKind
	copied.PackageID, copied.PackageName, copied.Private, copied.ReleaseID = p.ID, p.Name, p.Private, rel.ID
	copied.UploadedBy, copied.UploadedAt, copied.Downloads = c.actor.Name, c.now, 0 // one that was withdrawn stays so
	_, err = c.exec(ctx, `INSERT INTO file_rows (id, owner_id, package_id, release_id, type, subdir, name, name_key, basename, version, build,
		build_number, size, md5, sha256, stored, source_url, attrs, dependencies, description, record_json, record_msgpack, run_exports,
		license, timestamp_ms, indexed_ms, indexed_source, withdrawn_at, withdrawn_why, uploaded_by, uploaded_at)
		SELECT $1, $2, $3, $4, type, subdir, name, name_key, basename, version, build,
		build_number, size, md5, sha256, stored, source_url, attrs, dependencies, description, record_json, record_msgpack, run_exports,
		license, timestamp_ms, indexed_ms, indexed_source, withdrawn_at, withdrawn_why, $5, $6 FROM files WHERE id = $7`,
		copied.ID, copied.OwnerID, copied.PackageID, copied.ReleaseID, copied.UploadedBy, copied.UploadedAt, f.ID)
	if err != nil {
		return File{}, fmt.Errorf("copy %s: %w", f.FullName(), err)
	}
	_, err = c.exec(ctx, `INSERT INTO file_info (file_id, about, readme, readme_name, paths, members, flags)
		SELECT $1, about, readme, readme_name, paths, members, flags FROM file_info WHERE file_id = $2`, copied.ID, f.ID)
	if err != nil {
		return File{}, fmt.Errorf("copy the info of %s: %w", f.FullName(), err)
	}
	return copied, nil
}
