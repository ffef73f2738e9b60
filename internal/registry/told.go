package registry

import (
	"cmp"
	"context"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/sqldb"
)

// What a package says of its files is kept in its row, so that lists, their order
// and their counts cost nothing: types, platforms, latest version and its licence,
// time of the newest upload, downloads. It is what everybody may know: only files
// in public channels count. Where none is in one, nobody sees the package who has
// no right on it, and all files count. For callers who see other files, closed.go
// works it out anew.

// told is what the row of a package says, and what that hangs on.
type told struct {
	attrs            jsontext.Value
	types, platforms jsonList
	latest, license  string
	released         *time.Time
	main             Channel
	guarded          bool // the owner has a channel that is not public
}

// refreshPackage works out what a package says of its files.
func (c *change) refreshPackage(ctx context.Context, packageID string) error {
	return c.tell(ctx, packageID, false)
}

// gained brings what a package says of its files up to one more of them, as
// refreshPackage would: that looks at every file, of which a large name has
// thousands. Where some of the owner's channels are closed, that decides which
// files count.
func (c *change) gained(ctx context.Context, p Package, f File) error {
	if p.Latest == "" {
		return c.refreshPackage(ctx, p.ID)
	}
	var top newest
	var main, guarded bool
	err := c.tx.Row(ctx, `SELECT EXISTS (SELECT 1 FROM channels x WHERE x.owner_id = $4 AND x.visibility <> 'public'),
		EXISTS (SELECT 1 FROM files f JOIN file_channels fc ON fc.file_id = f.id JOIN channels c ON c.id = fc.channel_id
		WHERE f.package_id = $1 AND f.version = $2 AND f.deleted_at IS NULL AND f.id <> $3 AND c.owner_id = $4 AND c.name = $5)`,
		p.ID, p.Latest, f.ID, p.OwnerID, mainLabel).Scan(&guarded, &main)
	if err != nil {
		return fmt.Errorf("look at the labels of %s %s: %w", p.FullName(), p.Latest, err)
	}
	if guarded {
		return c.refreshPackage(ctx, p.ID)
	}
	top.take(p.Latest, main)
	license := p.License
	if top.take(f.Version, slices.Contains(f.Labels, mainLabel)) || f.Version == p.Latest {
		license = cmp.Or(f.License, licenseOf(p.Attrs))
	}
	platforms := p.Platforms
	if f.Subdir != "" {
		platforms = append(slices.Clone(platforms), f.Subdir)
	}
	_, err = c.exec(ctx, "UPDATE package_rows SET types = $2, platforms = $3, latest = $4, license = $5, released_at = $6, modified_at = $7 WHERE id = $1",
		p.ID, sortedSet(append(slices.Clone(p.Types), f.Type)), sortedSet(platforms), top.version, license, f.UploadedAt, c.now)
	if err != nil {
		return fmt.Errorf("refresh a package: %w", err)
	}
	return nil
}

// tell is refreshPackage. Downloads are counted as they come; they are counted
// again where recount is set, since files begin or cease to be public.
func (c *change) tell(ctx context.Context, packageID string, recount bool) error {
	var was told
	err := c.tx.Row(ctx, `SELECT p.attrs, p.types, p.platforms, p.latest, p.license, p.released_at, c.id, c.visibility,
			EXISTS (SELECT 1 FROM channels x WHERE x.owner_id = p.owner_id AND x.visibility <> 'public')
		FROM packages p JOIN channels c ON c.owner_id = p.owner_id AND c.name = $2 WHERE p.id = $1`, packageID, mainLabel).
		Scan(&was.attrs, &was.types, &was.platforms, &was.latest, &was.license, &was.released, &was.main.ID, &was.main.Visibility, &was.guarded)
	if err != nil {
		return fmt.Errorf("read a package: %w", err)
	}
	counted, now, err := c.facts(ctx, packageID, was)
	if err != nil {
		return err
	}
	if recount || counted != everyFile {
		if err := c.recount(ctx, packageID, counted); err != nil {
			return err
		}
	}
	if was.guarded && sameTold(was, now) {
		return nil // or the time of a change would tell of what is closed
	}
	_, err = c.exec(ctx, "UPDATE package_rows SET types = $2, platforms = $3, latest = $4, license = $5, released_at = $6, modified_at = $7 WHERE id = $1",
		packageID, []string(now.types), []string(now.platforms), now.latest, now.license, now.released, c.now)
	if err != nil {
		return fmt.Errorf("refresh a package: %w", err)
	}
	return nil
}

// everyFile is the condition of files f where all of a package count.
const everyFile = "TRUE"

// facts looks at the files of a package: which count, as a condition on files f,
// and what they say.
func (c *change) facts(ctx context.Context, packageID string, was told) (counted string, now told, err error) {
	type fact struct {
		version, kind, subdir string
		main, open            bool
	}
	open := everyFile
	if was.guarded {
		open = "NOT " + access.ClosedFiles(access.Anonymous(""), nil, c.tx, "f")
	}
	facts, err := sqldb.All(ctx, c.tx, func(rows *sqldb.Rows, f *fact) error {
		return rows.Scan(&f.version, &f.kind, &f.subdir, &f.main, &f.open)
	},
		`SELECT DISTINCT f.version, f.type, f.subdir,
			EXISTS (SELECT 1 FROM file_channels fc WHERE fc.file_id = f.id AND fc.channel_id = $2), `+open+`
		FROM files f WHERE f.package_id = $1 AND f.deleted_at IS NULL`, packageID, was.main.ID)
	if err != nil {
		return "", told{}, fmt.Errorf("look at the files of a package: %w", err)
	}
	isOpen := func(f fact) bool { return f.open }
	counted = everyFile
	if visible := slices.ContainsFunc(facts, isOpen) || len(facts) == 0 && was.main.Visibility == access.Public; visible && was.guarded {
		facts, counted = slices.DeleteFunc(facts, func(f fact) bool { return !f.open }), open
	}
	types, platforms, top := []string{}, []string{}, newest{}
	for _, f := range facts {
		types = append(types, f.kind)
		if f.subdir != "" {
			platforms = append(platforms, f.subdir)
		}
		top.take(f.version, f.main)
	}
	now.latest, now.license = top.version, licenseOf(was.attrs)
	if len(types) == 0 {
		if types, err = declaredTypes(was.attrs); err != nil {
			return "", told{}, err
		}
	}
	if now.latest != "" {
		err := c.tx.Row(ctx, "SELECT f.uploaded_at FROM files f WHERE f.package_id = $1 AND f.deleted_at IS NULL AND "+counted+" ORDER BY f.uploaded_at DESC LIMIT 1", packageID).
			Scan(&now.released)
		if err != nil {
			return "", told{}, fmt.Errorf("read the newest upload: %w", err)
		}
		var said string
		err = c.tx.Row(ctx, "SELECT f.license FROM files f WHERE f.package_id = $1 AND f.version = $2 AND f.deleted_at IS NULL AND "+counted+" ORDER BY f.uploaded_at DESC, f.id DESC LIMIT 1",
			packageID, now.latest).Scan(&said)
		if err != nil {
			return "", told{}, fmt.Errorf("read the licence of the newest release: %w", err)
		}
		now.license = cmp.Or(said, now.license)
	}
	now.types, now.platforms = sortedSet(types), sortedSet(platforms)
	return counted, now, nil
}

// sameTold reports whether a package says what it said.
func sameTold(a, b told) bool {
	return slices.Equal(a.types, b.types) && slices.Equal(a.platforms, b.platforms) && a.latest == b.latest && a.license == b.license &&
		(a.released == nil) == (b.released == nil) && (a.released == nil || a.released.Equal(*b.released))
}

// recount sums up the downloads of a package; counted is everyFile, or else only
// files count that are public, or were when they were deleted.
func (c *change) recount(ctx context.Context, packageID, counted string) error {
	if counted != everyFile {
		counted = "NOT " + access.ClosedOnce(access.Anonymous(""), nil, c.tx, "f")
	}
	_, err := c.exec(ctx, "UPDATE package_rows SET downloads = (SELECT CAST(coalesce(sum(f.downloads), 0) AS BIGINT) FROM files f WHERE f.package_id = $1 AND "+counted+") WHERE id = $1", packageID)
	if err != nil {
		return fmt.Errorf("count the downloads of a package again: %w", err)
	}
	return nil
}

// unseen lists those of some files whose downloads their packages do not count:
// the package has public files, and these are not.
func unseen(ctx context.Context, db *sqldb.DB, fileIDs []string) (map[string]bool, error) {
	nobody := access.Anonymous("")
	list, err := sqldb.All(ctx, db, sqldb.Scalar[string], "SELECT f.id FROM files f JOIN packages p ON p.id = f.package_id WHERE f.id IN (SELECT value FROM "+db.EachText("$1")+" AS counted) AND "+
		access.ClosedOnce(nobody, nil, db, "f")+" AND NOT "+access.ClosedPackages(nobody, nil, db, "p"), fileIDs)
	if err != nil {
		return nil, fmt.Errorf("look which files are public: %w", err)
	}
	closed := map[string]bool{}
	for _, id := range list {
		closed[id] = true
	}
	return closed, nil
}

// relabelled refreshes the packages of files that came to a channel or left it.
// Where all channels of the owner are public, only the label main tells which
// version is the latest, and those with one version have no choice.
func (c *change) relabelled(ctx context.Context, ch Channel, files []File) error {
	if len(files) == 0 {
		return nil
	}
	var guarded bool
	if err := c.tx.Row(ctx, "SELECT EXISTS (SELECT 1 FROM channels WHERE owner_id = $1 AND visibility <> 'public')", ch.OwnerID).Scan(&guarded); err != nil {
		return fmt.Errorf("look for closed channels of %s: %w", ch.OwnerName, err)
	}
	choice := " HAVING count(DISTINCT version) > 1"
	switch {
	case guarded:
		choice = ""
	case ch.Name != mainLabel:
		return nil
	}
	packages, err := sqldb.All(ctx, c.tx, sqldb.Scalar[string], `SELECT package_id FROM files WHERE deleted_at IS NULL AND package_id IN (
		SELECT package_id FROM files WHERE id IN (SELECT value FROM `+c.tx.EachText("$1")+` AS labelled))
		GROUP BY package_id`+choice+" ORDER BY package_id", ids(files))
	if err != nil {
		return fmt.Errorf("look for the packages of labelled files: %w", err)
	}
	return c.tellAll(ctx, packages, guarded)
}

// untoldOf notes the packages that relabelled would refresh. A package has as many
// versions as releases or fewer, and those are quicker counted.
func (c *change) untoldOf(ctx context.Context, ch Channel, files []File) error {
	var guarded bool
	if err := c.tx.Row(ctx, "SELECT EXISTS (SELECT 1 FROM channels WHERE owner_id = $1 AND visibility <> 'public')", ch.OwnerID).Scan(&guarded); err != nil {
		return fmt.Errorf("look for closed channels of %s: %w", ch.OwnerName, err)
	}
	seen := map[string]bool{}
	for _, f := range files {
		seen[f.PackageID] = true
	}
	packages := slices.Sorted(maps.Keys(seen))
	switch {
	case guarded:
	case ch.Name != mainLabel:
		return nil
	default:
		var err error
		packages, err = sqldb.All(ctx, c.tx, sqldb.Scalar[string], "SELECT package_id FROM releases WHERE deleted_at IS NULL AND package_id IN (SELECT value FROM "+
			c.tx.EachText("$1")+" AS labelled) GROUP BY package_id HAVING count(*) > 1 ORDER BY package_id", packages)
		if err != nil {
			return fmt.Errorf("look for the packages of labelled files: %w", err)
		}
	}
	return untold(ctx, c.tx, packages)
}

// reopened refreshes the packages with files in a channel that has become public,
// or is so no more. Those all of whose files are in this channel alone say the
// same before and after.
func (c *change) reopened(ctx context.Context, ch Channel) error {
	packages, err := sqldb.All(ctx, c.tx, sqldb.Scalar[string], `SELECT p.id FROM packages p WHERE p.owner_id = $1 AND p.deleted_at IS NULL
		AND EXISTS (SELECT 1 FROM files f WHERE f.package_id = p.id AND (f.deleted_at IS NOT NULL
			OR NOT EXISTS (SELECT 1 FROM file_channels fc WHERE fc.file_id = f.id AND fc.channel_id = $2)
			OR EXISTS (SELECT 1 FROM file_channels fc WHERE fc.file_id = f.id AND fc.channel_id <> $2)))
		ORDER BY p.id`, ch.OwnerID, ch.ID)
	if err != nil {
		return fmt.Errorf("look for the packages of %s/%s: %w", ch.OwnerName, ch.Name, err)
	}
	return c.tellAll(ctx, packages, true)
}

func (c *change) tellAll(ctx context.Context, packages []string, recount bool) error {
	for _, id := range packages {
		if err := c.tell(ctx, id, recount); err != nil {
			return err
		}
	}
	return nil
}

// untold notes packages whose files are about to change without their saying so;
// TellPackages lets them.
func untold(ctx context.Context, tx *sqldb.DB, packages []string) error {
	if len(packages) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, "INSERT INTO untold_packages (package_id) SELECT value FROM "+tx.EachText("$1")+" AS noted WHERE TRUE ON CONFLICT DO NOTHING", packages)
	if err != nil {
		return fmt.Errorf("note packages that are to be described: %w", err)
	}
	return nil
}

// tellBatch is how many packages TellPackages describes while others wait.
const tellBatch = 50

// TellPackages brings packages up to their files after a large change. It goes on
// where a run before it was cut off. Packages that are still being loaded wait.
func (r *Registry) TellPackages(ctx context.Context) error {
	for {
		done := 0
		err := r.db.Tx(ctx, func(tx *sqldb.DB) error {
			packages, err := sqldb.All(ctx, tx, sqldb.Scalar[string], `SELECT u.package_id FROM untold_packages u
				WHERE NOT EXISTS (SELECT 1 FROM package_rows p JOIN stagings s ON s.id = p.staging WHERE p.id = u.package_id)
				ORDER BY u.package_id LIMIT $1`+tx.SkipLocked(), tellBatch)
			if err != nil {
				return err
			}
			if done = len(packages); done == 0 {
				return nil
			}
			c := &change{r: r, tx: tx, actor: access.System(), now: r.now()}
			for _, id := range packages {
				// Files may have begun or ceased to be public.
				if err := c.tell(ctx, id, true); err != nil && !errors.Is(err, sqldb.ErrNoRows) {
					return err
				}
			}
			_, err = tx.Exec(ctx, "DELETE FROM untold_packages WHERE package_id IN (SELECT value FROM "+tx.EachText("$1")+" AS told)", packages)
			return err
		})
		if err != nil {
			return fmt.Errorf("describe packages after a large change: %w", err)
		}
		if done == 0 {
			return nil
		}
	}
}
