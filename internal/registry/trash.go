package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// DeleteFile puts a file into the trash and gives what it was. Write on the
// package is needed; the release and the package stay, even when empty: clients
// delete a file and upload another to the same release.
func (r *Registry) DeleteFile(ctx context.Context, actor access.Actor, owner, pkg, version, basename string) (f File, err error) {
	err = r.change(ctx, actor, "delete", func(ctx context.Context, c *change) error {
		if f, err = c.loadFile(ctx, access.Write, owner, pkg, version, basename); err != nil {
			return err
		}
		if f.Labels, err = c.labelsOf(ctx, f.ID); err != nil {
			return err
		}
		if err := c.trash(ctx, []File{f}, "file.delete"); err != nil {
			return err
		}
		return c.tell(ctx, f.PackageID, true)
	})
	if err != nil {
		return File{}, err
	}
	return f, nil
}

// loadFile finds a live file in a change and judges the actor.
func (c *change) loadFile(ctx context.Context, verb access.Verb, owner, pkg, version, basename string) (File, error) {
	p, err := c.loadPackage(ctx, verb, owner, pkg)
	if err != nil {
		return File{}, err
	}
	absent := noFile(p, version, basename)
	f, err := findFile(ctx, c.tx, absent,
		" WHERE f.package_id = $1 AND f.version = $2 AND f.basename = $3 AND f.deleted_at IS NULL", p.ID, version, basename)
	if err != nil {
		return File{}, err
	}
	return f, c.seesFile(ctx, f, absent)
}

// seesFile gives the refusal for a file that is only in channels closed to the
// actor: who may write a package does not reach what they may not know of.
func (c *change) seesFile(ctx context.Context, f File, absent error) error {
	seen, err := c.r.labelled(ctx, c.tx, whole(c.actor), []File{f})
	if err == nil && len(seen) == 0 {
		return absent
	}
	return err
}

// trash takes live files out of every channel and index and remembers their
// labels. Files of a locked channel cannot go. action is that of the audit row
// that each file gets; "" means none, and of the files id and owner are enough.
func (c *change) trash(ctx context.Context, files []File, action string) error {
	if len(files) == 0 {
		return nil
	}
	if err := c.steady(ctx, files[0].OwnerName); err != nil {
		return err
	}
	labels := map[string][]string{}
	var locked error
	err := c.tx.EachRow(ctx, func(rows *sqldb.Rows) error {
		var fileID string
		var ch Channel
		if err := rows.Scan(&fileID, &ch.Name, &ch.Locked); err != nil {
			return err
		}
		ch.OwnerName = files[0].OwnerName
		if locked == nil {
			locked = unlocked(ch)
		}
		labels[fileID] = append(labels[fileID], ch.Name)
		return nil
	}, `SELECT fc.file_id, c.name, c.locked FROM file_channels fc JOIN channels c ON c.id = fc.channel_id
		WHERE fc.file_id IN (SELECT value FROM `+c.tx.EachText("$1")+` AS wanted) ORDER BY c.name`, ids(files))
	if err != nil {
		return fmt.Errorf("read the labels of files to be deleted: %w", err)
	}
	if locked != nil {
		return locked
	}
	if err := c.unlistEverywhere(ctx, ids(files)); err != nil {
		return err
	}
	_, err = c.exec(ctx, "DELETE FROM file_channels WHERE file_id IN (SELECT value FROM "+c.tx.EachText("$1")+" AS gone)", ids(files))
	if err != nil {
		return fmt.Errorf("take the labels off deleted files: %w", err)
	}
	if err := c.trashRows(ctx, files, labels); err != nil {
		return err
	}
	if action == "" {
		return nil
	}
	for _, f := range files {
		f.Labels = labels[f.ID]
		err = c.audit(ctx, audit.Entry{Action: action, OwnerID: f.OwnerID, ObjectKind: "file", ObjectID: f.ID, ObjectName: f.FullName(), Before: fileFacts(f)})
		if err != nil {
			return err
		}
	}
	return nil
}

// trashRows marks files as deleted, with the labels that they had: few labels are
// had by many files, so it is a statement for each set of labels.
func (c *change) trashRows(ctx context.Context, files []File, labels map[string][]string) error {
	had := map[string][]string{} // files, by their labels; no label has a space
	for _, f := range files {
		set := strings.Join(labels[f.ID], " ")
		had[set] = append(had[set], f.ID)
	}
	for _, set := range slices.Sorted(maps.Keys(had)) {
		_, err := c.exec(ctx, "UPDATE file_rows SET deleted_at = $2, deleted_by = $3, trashed_labels = $4 WHERE id IN (SELECT value FROM "+c.tx.EachText("$1")+" AS gone)",
			had[set], c.now, c.actor.Name, strings.Fields(set))
		if err != nil {
			return fmt.Errorf("put %d files into the trash: %w", len(had[set]), err)
		}
	}
	return nil
}

// Trash lists the deleted files of an owner that can be restored, newest first.
// Write on the owner is needed. Labels are those that the files had.
func (r *Registry) Trash(ctx context.Context, actor access.Actor, owner string) ([]File, error) {
	o, err := loadOwner(ctx, r.db, owner)
	if err != nil {
		return nil, err
	}
	if err := may(actor, access.Write, o.object()); err != nil {
		return nil, err
	}
	return r.trashed(ctx, o, " ORDER BY f.deleted_at DESC, f.id", o.ID)
}

func trashedLabels(ctx context.Context, db *sqldb.DB, fileID string) ([]string, error) {
	var labels jsonList
	err := db.Row(ctx, "SELECT trashed_labels FROM files WHERE id = $1", fileID).Scan(&labels)
	if err != nil {
		return nil, fmt.Errorf("read the labels of a deleted file: %w", err)
	}
	return labels, nil
}

// RestoreFile takes a file out of the trash, with the labels it had; its package
// and release come back too if they were deleted. Write is needed. errs.Exists
// when its name has been taken since, errs.Conflict when its package was private
// and the one of that name is public now, errs.NotFound when the trash was emptied.
func (r *Registry) RestoreFile(ctx context.Context, actor access.Actor, fileID string) (f File, err error) {
	absent := errs.New(errs.NotFound, "There is no deleted file with the id %q, or the trash was emptied.", clip(fileID))
	err = r.change(ctx, actor, "restore", func(ctx context.Context, c *change) error {
		f, err = findFile(ctx, c.tx, absent, " WHERE f.id = $1 AND f.deleted_at IS NOT NULL AND (f.stored OR f.source_url <> '') AND o.deleted_at IS NULL", fileID)
		if err != nil {
			return err
		}
		if !access.Can(c.actor, access.Read, f.object()).Allowed {
			return absent
		}
		if err := c.steady(ctx, f.OwnerName); err != nil {
			return err
		}
		labels, err := trashedLabels(ctx, c.tx, f.ID)
		if err != nil {
			return err
		}
		o := owner{f.OwnerID, f.OwnerName, f.OwnerKind}
		pkg, err := findPackage(ctx, c.tx, whole(c.actor), o, f.PackageName)
		fresh := errs.Is(err, errs.NotFound)
		if err != nil && !fresh {
			return err
		}
		if fresh {
			pkg = Package{ID: f.PackageID, OwnerID: o.ID, OwnerName: o.Name, OwnerKind: o.Kind, Name: f.PackageName, Private: f.Private}
		}
		if err := may(c.actor, access.Write, pkg.object()); err != nil {
			return err
		}
		if f.Private && !pkg.Private {
			return errs.New(errs.Conflict, "%s belonged to a private package, and %s is public now. Make the package private first, or upload the file again.",
				f.Basename, pkg.FullName())
		}
		channels, err := c.targets(ctx, o, pkg, labels)
		if err != nil {
			return err
		}
		if !fresh && !mixes(pkg.Types, f.Type) {
			return mixed(pkg, f.Type)
		}
		old, err := sameName(ctx, c.tx, o, pkg.ID, f.Type, f.Subdir, f.Name, f.Version)
		if err == nil {
			return existing(old, accepted{Type: f.Type, Subdir: f.Subdir, FileName: f.Name})
		}
		if !errs.Is(err, errs.NotFound) {
			return err
		}
		if err := c.unhidden(ctx, o, accepted{Type: f.Type, Subdir: f.Subdir, FileName: f.Name}); err != nil {
			return err
		}
		if fresh {
			adopted, err := c.adoptPackage(ctx, &pkg, f.Type)
			if err != nil {
				return err
			}
			fresh = !adopted
		}
		if f.ReleaseID, err = c.revive(ctx, pkg, f, fresh); err != nil {
			return err
		}
		f.PackageID, f.Private, f.DeletedAt, f.DeletedBy, f.Labels = pkg.ID, pkg.Private, nil, "", []string{}
		_, err = c.exec(ctx, "UPDATE file_rows SET deleted_at = NULL, deleted_by = '', trashed_labels = NULL, package_id = $2, release_id = $3 WHERE id = $1",
			f.ID, f.PackageID, f.ReleaseID)
		if err != nil {
			return fmt.Errorf("restore %s: %w", f.FullName(), err)
		}
		if len(labels) == 0 {
			channels = nil // it had none, and targets stands in with main
		}
		for _, ch := range channels {
			if ch, err = c.ensureChannel(ctx, o, ch); err != nil {
				return err
			}
			if _, err := c.label(ctx, ch, []File{f}); err != nil {
				return err
			}
			f.Labels = append(f.Labels, ch.Name)
		}
		slices.Sort(f.Labels)
		if err := c.tell(ctx, f.PackageID, true); err != nil {
			return err
		}
		return c.audit(ctx, audit.Entry{Action: "file.restore", OwnerID: f.OwnerID, ObjectKind: "file", ObjectID: f.ID, ObjectName: f.FullName(), After: fileFacts(f)})
	})
	if err != nil {
		return File{}, err
	}
	return f, nil
}

// adoptPackage takes, for a file of a type that is restored, the package that an import
// has made meanwhile and that nobody sees yet, if there is one. It is private if either
// is.
func (c *change) adoptPackage(ctx context.Context, p *Package, fileType string) (bool, error) {
	id, err := c.adopt(ctx, "package_rows", "owner_id = $1 AND name = $2", p.OwnerID, p.Name)
	if err != nil || id == "" {
		return false, err
	}
	if p.Types = []string{"conda"}; !mixes(p.Types, fileType) {
		return false, mixed(*p, fileType)
	}
	var private bool
	if err := c.tx.Row(ctx, "SELECT private FROM package_rows WHERE id = $1", id).Scan(&private); err != nil {
		return false, fmt.Errorf("read package %s: %w", p.FullName(), err)
	}
	p.ID, p.Private = id, p.Private || private
	if _, err := c.exec(ctx, "UPDATE package_rows SET private = $2 WHERE id = $1", p.ID, p.Private); err != nil {
		return false, fmt.Errorf("restore package %s: %w", p.FullName(), err)
	}
	if p.Private {
		c.bumpAccess()
	}
	return true, nil
}

// revive gives the id of the release to which a restored file belongs, and
// undoes the deletion of the release and the package where they are gone.
func (c *change) revive(ctx context.Context, pkg Package, f File, gone bool) (string, error) {
	if gone {
		if _, err := c.exec(ctx, "UPDATE package_rows SET deleted_at = NULL WHERE id = $1", pkg.ID); err != nil {
			return "", fmt.Errorf("restore package %s: %w", pkg.FullName(), err)
		}
		if pkg.Private {
			c.bumpAccess()
		}
	}
	rel, err := findRelease(ctx, c.tx, pkg, f.Version)
	if err == nil {
		return rel.ID, nil
	}
	if !errs.Is(err, errs.NotFound) {
		return "", err
	}
	id, err := c.adopt(ctx, "release_rows", "package_id = $1 AND version = $2", pkg.ID, f.Version)
	if err != nil || id != "" {
		return id, err
	}
	err = c.tx.Row(ctx, "SELECT id FROM releases WHERE id = $1 AND package_id = $2", f.ReleaseID, pkg.ID).Scan(&id)
	if errors.Is(err, sqldb.ErrNoRows) {
		rel, err := c.createRelease(ctx, pkg, f.Version, NewRelease{})
		return rel.ID, err
	}
	if err != nil {
		return "", fmt.Errorf("read the release of %s: %w", f.FullName(), err)
	}
	if _, err := c.exec(ctx, "UPDATE release_rows SET deleted_at = NULL WHERE id = $1", id); err != nil {
		return "", fmt.Errorf("restore release %s %s: %w", pkg.FullName(), f.Version, err)
	}
	return id, nil
}

// Withdraw takes a file out of every index; its address still works. Write is
// needed. Withdrawing again changes the reason.
func (r *Registry) Withdraw(ctx context.Context, actor access.Actor, owner, pkg, version, basename, why string) (File, error) {
	return r.setWithdrawn(ctx, actor, owner, pkg, version, basename, true, why)
}

// Unwithdraw puts a withdrawn file back into the index. The payload of a package
// is read first, since that may be why it was withdrawn: a damaged or unsafe one
// is errs.Invalid and stays out.
func (r *Registry) Unwithdraw(ctx context.Context, actor access.Actor, owner, pkg, version, basename string) (File, error) {
	f, err := r.File(ctx, actor, owner, pkg, version, basename)
	if err != nil {
		return File{}, err
	}
	if err := may(actor, access.Write, f.object()); err != nil {
		return File{}, err
	}
	if f.Type == "conda" && f.Stored {
		refusal, err := r.checkPayload(ctx, f)
		if err != nil {
			return File{}, err
		}
		if refusal != "" {
			return File{}, errs.New(errs.Invalid, "%s It stays out of the index.", refusal).Because("payload-refused")
		}
	}
	return r.setWithdrawn(ctx, actor, owner, pkg, version, basename, false, "")
}

func (r *Registry) setWithdrawn(ctx context.Context, actor access.Actor, owner, pkg, version, basename string, withdrawn bool, why string) (f File, err error) {
	if len(why) > 1000 {
		return File{}, errs.New(errs.Invalid, "The reason has %d bytes; at most 1000 are kept.", len(why)).On("reason")
	}
	cause, action := "withdraw", "file.withdraw"
	if !withdrawn {
		cause, action = "unwithdraw", "file.unwithdraw"
	}
	err = r.change(ctx, actor, cause, func(ctx context.Context, c *change) error {
		if f, err = c.loadFile(ctx, access.Write, owner, pkg, version, basename); err != nil {
			return err
		}
		if err := c.steady(ctx, f.OwnerName); err != nil {
			return err
		}
		channels, err := sqldb.All(ctx, c.tx, scanChannel, channelColumns+` JOIN file_channels fc ON fc.channel_id = c.id
			WHERE fc.file_id = $1 ORDER BY c.name`, f.ID)
		if err != nil {
			return fmt.Errorf("read the channels of %s: %w", f.FullName(), err)
		}
		for _, ch := range channels {
			if err := unlocked(ch); err != nil {
				return err
			}
		}
		before := map[string]any{"withdrawn_why": f.WithdrawnWhy, "withdrawn_at": f.WithdrawnAt}
		f.WithdrawnAt, f.WithdrawnWhy, f.Labels = nil, why, []string{}
		if withdrawn {
			f.WithdrawnAt = &c.now
		}
		if _, err := c.exec(ctx, "UPDATE file_rows SET withdrawn_at = $2, withdrawn_why = $3 WHERE id = $1", f.ID, f.WithdrawnAt, f.WithdrawnWhy); err != nil {
			return fmt.Errorf("withdraw %s: %w", f.FullName(), err)
		}
		for _, ch := range channels {
			f.Labels = append(f.Labels, ch.Name)
			if withdrawn {
				err = c.unlist(ctx, ch.ID, []string{f.ID})
			} else {
				err = c.list(ctx, ch.ID, []string{f.ID})
			}
			if err != nil {
				return err
			}
		}
		return c.audit(ctx, audit.Entry{
			Action: action, OwnerID: f.OwnerID, ObjectKind: "file", ObjectID: f.ID, ObjectName: f.FullName(),
			Before: before, After: map[string]any{"withdrawn_why": why},
		})
	})
	if err != nil {
		return File{}, err
	}
	return f, nil
}
