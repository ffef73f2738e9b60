package registry

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"terrarium/internal/conda"
	"terrarium/internal/sqldb"
)

// newest finds the latest version of a package among those it is shown.
//
// anaconda.org takes the newest by conda's order alone, so 2.0rc1 hides 1.9 from
// everybody who looks at the page, the badge or the search. Ours is the one that
// somebody who installs the package wants: a release before any pre-release, and
// of two releases the one labelled main, which is what the channel OWNER serves.
// Only where that leaves a choice does the higher version win.
type newest struct {
	version string // "" before any
	rank    int
}

// take shows a version and whether a file of it is labelled main; it reports
// whether it is the latest so far.
func (n *newest) take(version string, main bool) bool {
	rank := 0
	if ver, err := conda.ParseVersion(version); err != nil || !ver.Prerelease() {
		rank += 2
	}
	if main {
		rank++
	}
	if n.version != "" && (rank < n.rank || rank == n.rank && conda.CompareVersions(version, n.version) <= 0) {
		return false
	}
	n.version, n.rank = version, rank
	return true
}

// gained brings what a package says of its files up to one more of them, as
// refreshPackage would: that looks at every file, of which a large name has
// thousands.
func (c *change) gained(ctx context.Context, p Package, f File) error {
	if p.Latest == "" {
		return c.refreshPackage(ctx, p.ID)
	}
	var top newest
	var main bool
	err := c.tx.Row(ctx, `SELECT EXISTS (SELECT 1 FROM files f JOIN file_channels fc ON fc.file_id = f.id JOIN channels c ON c.id = fc.channel_id
		WHERE f.package_id = $1 AND f.version = $2 AND f.deleted_at IS NULL AND f.id <> $3 AND c.owner_id = $4 AND c.name = $5)`,
		p.ID, p.Latest, f.ID, p.OwnerID, mainLabel).Scan(&main)
	if err != nil {
		return fmt.Errorf("look at the labels of %s %s: %w", p.FullName(), p.Latest, err)
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
	_, err = c.exec(ctx, "UPDATE packages SET types = $2, platforms = $3, latest = $4, license = $5, released_at = $6, modified_at = $7 WHERE id = $1",
		p.ID, sortedSet(append(slices.Clone(p.Types), f.Type)), sortedSet(platforms), top.version, license, f.UploadedAt, c.now)
	if err != nil {
		return fmt.Errorf("refresh a package: %w", err)
	}
	return nil
}

// relabelled refreshes the packages of files that came to a channel or left it:
// which version is the latest hangs on the label main. Those with one version
// have no choice.
func (c *change) relabelled(ctx context.Context, ch Channel, files []File) error {
	if ch.Name != mainLabel || len(files) == 0 {
		return nil
	}
	packages, err := sqldb.All(ctx, c.tx, sqldb.Scalar[string], `SELECT package_id FROM files WHERE deleted_at IS NULL AND package_id IN (
		SELECT package_id FROM files WHERE id IN (SELECT value FROM `+c.tx.EachText("$1")+` AS labelled))
		GROUP BY package_id HAVING count(DISTINCT version) > 1 ORDER BY package_id`, ids(files))
	if err != nil {
		return fmt.Errorf("look for the packages of labelled files: %w", err)
	}
	for _, id := range packages {
		if err := c.refreshPackage(ctx, id); err != nil {
			return err
		}
	}
	return nil
}
