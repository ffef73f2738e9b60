package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// closed reports whether the source is one that not everybody may read: a document
// of the subdirs is refused to somebody unknown. Where it is known which packages
// are private, a subdir that is absent to them may have only such; else it is closed
// too.
func (s ImportSource) closed(subdirs []string) (bool, error) {
	if s.Anybody == nil {
		return false, nil
	}
	open := false
	for _, subdir := range subdirs {
		document, err := s.document(subdir)
		if err != nil {
			return false, err
		}
		_, err = fs.Stat(s.Anybody, document)
		switch {
		case err == nil:
			open = true
		case errs.KindOf(err) == errs.Invalid, errors.Is(err, fs.ErrNotExist) && s.Private == nil:
			return true, nil
		case !errors.Is(err, fs.ErrNotExist):
			return false, fmt.Errorf("ask who may read %s: %w", s.Name, err)
		}
	}
	return !open, nil
}

// mayShow refuses to load a source that not everybody may read into a channel that
// others than those with a right on it may read.
func (i *importer) mayShow(ch Channel) error {
	if !i.closed || ch.Visibility == access.Private {
		return nil
	}
	return errs.New(errs.Invalid, "Not everybody may read %s, and %s/%s is not private. Make it private first, or load into a channel that is still to be made.",
		i.src.Name, ch.OwnerName, ch.Name).On("channel").Because("channel-open")
}

// judgePrivacy leaves out what would come into a package that is private where it
// comes from and was public here before: who may not read it there could read it
// here. The packages that the import makes, earlier tries of it included, are for
// shut.
func (i *importer) judgePrivacy(batch []*entry) {
	if i.src.Private == nil {
		return
	}
	for _, e := range batch {
		name := packageName(e.record.Name)
		p := i.packages[name]
		if p == nil || p.made || p.private || p.staging == i.staging.id || !i.src.private(name) {
			continue
		}
		switch e.fate(i.staging.generation) {
		case fateNew, fateListed, fateChanged:
			e.err = errs.New(errs.Exists, "The package %s is private where it comes from and public in %s. Make it private first.", name, i.owner.Name)
		case fateStaged, fateRestaged, fateKept, fateLeftOut:
		}
	}
}

// shut makes private what the import makes visible and the source calls private: an
// earlier try may have known of fewer. Somebody may have opened a package since it
// was looked at, or made one of that name public: then all is put away, and the next
// import leaves its files out.
func (i *importer) shut(ctx context.Context, c *change) error {
	var own []string
	if i.src.Private != nil {
		opened := ""
		err := c.tx.EachRow(ctx, func(rows *sqldb.Rows) error {
			var id, name, staging string
			if err := rows.Scan(&id, &name, &staging); err != nil || !i.src.private(name) {
				return err
			}
			if own = append(own, id); staging != i.staging.id {
				opened = name
			}
			return nil
		}, `SELECT p.id, p.name, coalesce(p.staging, '') FROM package_rows p WHERE p.owner_id = $1 AND p.deleted_at IS NULL AND NOT p.private
			AND p.name IN (SELECT g.name FROM generation_names g WHERE g.channel_id = $2 AND g.number = $3)`, i.owner.ID, i.channel.ID, i.staging.generation)
		if err != nil {
			return fmt.Errorf("look which packages are to be private: %w", err)
		}
		if opened != "" {
			return errs.New(errs.Exists, "The package %s is private where it comes from, and was made public in %s while it was loaded. Make it private, or import again without its files.", opened, i.owner.Name)
		}
		_, err = c.exec(ctx, "UPDATE package_rows SET private = TRUE WHERE id IN (SELECT value FROM "+c.tx.EachText("$1")+" AS own)", own)
		if err != nil {
			return fmt.Errorf("make packages private: %w", err)
		}
	}
	var some bool
	err := c.tx.Row(ctx, `SELECT EXISTS (SELECT 1 FROM package_rows p WHERE p.owner_id = $1 AND p.deleted_at IS NULL AND p.staging = $2 AND p.private
		AND p.name IN (SELECT g.name FROM generation_names g WHERE g.channel_id = $3 AND g.number = $4))`, i.owner.ID, i.staging.id, i.channel.ID, i.staging.generation).Scan(&some)
	if err != nil {
		return fmt.Errorf("look for private packages that become visible: %w", err)
	}
	if some {
		c.bumpAccess() // or who has the channel open would be shown their names
	}
	return nil
}
