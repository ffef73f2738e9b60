package registry

import (
	"context"
	"fmt"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// Storage is what the files of an owner take. Bytes that several files share are
// counted for each; a file whose bytes lie elsewhere has none.
type Storage struct {
	Files, Trashed      int // live ones, and those that can be restored
	Bytes, TrashedBytes int64
	Largest             []PackageStorage // packages with bytes, the largest first
}

// PackageStorage is what the files of one package take.
type PackageStorage struct {
	Name    string
	Private bool
	Files   int
	Bytes   int64
}

// Storage counts what the files of an owner take, with so many of its largest
// packages, 0 for none. Write on the owner is needed.
func (r *Registry) Storage(ctx context.Context, actor access.Actor, owner string, largest int) (Storage, error) {
	o, err := loadOwner(ctx, r.db, owner)
	if err != nil {
		return Storage{}, err
	}
	if err := may(actor, access.Write, o.object()); err != nil {
		return Storage{}, err
	}
	var s Storage
	err = r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var trashed bool
		var files int
		var bytes int64
		if err := rows.Scan(&trashed, &files, &bytes); err != nil {
			return err
		}
		if trashed {
			s.Trashed, s.TrashedBytes = files, bytes
		} else {
			s.Files, s.Bytes = files, bytes
		}
		return nil
	}, `SELECT deleted_at IS NOT NULL, count(*), CAST(sum(CASE WHEN stored THEN size ELSE 0 END) AS BIGINT) FROM files
		WHERE owner_id = $1 AND (stored OR source_url <> '') GROUP BY deleted_at IS NOT NULL`, o.ID)
	if err != nil {
		return Storage{}, fmt.Errorf("count the bytes of %s: %w", o.Name, err)
	}
	if largest == 0 {
		return s, nil
	}
	s.Largest, err = sqldb.All(ctx, r.db, func(rows *sqldb.Rows, p *PackageStorage) error {
		return rows.Scan(&p.Name, &p.Private, &p.Files, &p.Bytes)
	}, `SELECT p.name, p.private, count(*), CAST(sum(f.size) AS BIGINT) AS total FROM files f JOIN packages p ON p.id = f.package_id
		WHERE f.owner_id = $1 AND f.stored AND f.deleted_at IS NULL GROUP BY p.id, p.name, p.private ORDER BY total DESC, p.name LIMIT $2`,
		o.ID, bounded(largest, 10))
	if err != nil {
		return Storage{}, fmt.Errorf("list the largest packages of %s: %w", o.Name, err)
	}
	return s, nil
}

// TrashEnds is when a deleted file can be restored no more; the next sweep after
// it removes the bytes.
func (r *Registry) TrashEnds(f File) time.Time {
	if f.DeletedAt == nil {
		return time.Time{}
	}
	return f.DeletedAt.Add(r.opts.TrashFor)
}

// TrashPage is one page of Trash: so many files after the place that the page
// before gave as next, which is "" at the end.
func (r *Registry) TrashPage(ctx context.Context, actor access.Actor, owner, after string, limit int) (files []File, next string, err error) {
	o, err := loadOwner(ctx, r.db, owner)
	if err != nil {
		return nil, "", err
	}
	if err := may(actor, access.Write, o.object()); err != nil {
		return nil, "", err
	}
	limit = bounded(limit, 50)
	args := parameters{o.ID, limit + 1}
	where := ""
	if after != "" {
		at, id, _ := strings.Cut(after, " ")
		before, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			return nil, "", errs.New(errs.Invalid, "The page of the trash begins with a time, and not with %q.", clip(at)).On("after")
		}
		stamp := args.add(before)
		where = " AND (f.deleted_at < " + stamp + " OR f.deleted_at = " + stamp + " AND f.id > " + args.add(id) + ")"
	}
	if files, err = r.trashed(ctx, o, where+" ORDER BY f.deleted_at DESC, f.id LIMIT $2", args...); err != nil {
		return nil, "", err
	}
	if len(files) > limit {
		files = files[:limit]
		last := files[limit-1]
		next = last.DeletedAt.Format(time.RFC3339Nano) + " " + last.ID
	}
	return files, next, nil
}

// trashed reads files of the trash with the labels that they had.
func (r *Registry) trashed(ctx context.Context, o owner, end string, args ...any) ([]File, error) {
	files, err := sqldb.All(ctx, r.db, func(rows *sqldb.Rows, f *File) error {
		var labels jsonList
		err := scanFileAnd(rows, f, &labels)
		f.Labels = labels
		return err
	}, fileColumns+", f.trashed_labels"+fileFrom+" WHERE f.owner_id = $1 AND f.deleted_at IS NOT NULL AND (f.stored OR f.source_url <> '')"+end, args...)
	if err != nil {
		return nil, fmt.Errorf("list the trash of %s: %w", o.Name, err)
	}
	return files, nil
}
