package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/conda"
	"terrarium/internal/sqldb"
)

// The columns that an import fills, in the order in which write gives them.
var (
	packageRow = []string{"id", "owner_id", "name", "private", "summary", "attrs", "types", "platforms", "search_text", "created_by", "created_at", "modified_at", "staging"}
	releaseRow = []string{"id", "package_id", "version", "attrs", "created_by", "created_at", "staging"}
	fileRow    = []string{
		"id", "owner_id", "package_id", "release_id", "type", "subdir", "name", "name_key", "basename", "version", "build",
		"build_number", "size", "md5", "sha256", "stored", "source_url", "attrs", "record_json", "record_msgpack", "run_exports",
		"uploaded_by", "uploaded_at", "license", "timestamp_ms", "indexed_ms", "indexed_source", "staging",
	}
	infoRow    = []string{"file_id", "about", "readme", "readme_name", "paths", "members", "flags"}
	channelRow = []string{"file_id", "channel_id", "added_at"}
	recordRow  = []string{
		"channel_id", "subdir", "name", "file_name", "added", "file_id", "version", "build", "build_number",
		"license", "timestamp_ms", "indexed_ms", "size", "json", "msgpack", "run_exports",
	}
)

// rows are what a batch puts into the tables, in the order of these.
type importedRows struct {
	packages, releases, files, infos, labels, records [][]any
}

// write puts a batch into rows, in one transaction.
func (i *importer) write(ctx context.Context, batch []*entry, b *importedBatch) error {
	var rows importedRows
	for _, e := range batch {
		fileID := ""
		switch f := e.fate(i.staging.generation); f {
		case fateNew:
			fileID = i.addFile(&rows, e, b)
		case fateListed, fateChanged, fateRestaged:
			fileID = e.old.id
		case fateStaged, fateKept, fateLeftOut:
			continue
		}
		rec := e.record
		rows.records = append(rows.records, []any{
			i.channel.ID, i.subdir, packageName(rec.Name), e.fileName, i.staging.generation, fileID, rec.Version, rec.Build, rec.BuildNumber,
			rec.License, rec.Timestamp, rec.IndexedTimestamp, rec.Size, e.encoded.JSON, e.encoded.Msgpack, e.encoded.RunExports,
		})
	}
	names, others := map[string]bool{}, map[string]bool{}
	for _, e := range batch {
		switch e.fate(i.staging.generation) {
		case fateKept, fateLeftOut:
			continue
		case fateNew, fateListed, fateChanged, fateStaged, fateRestaged:
		}
		name := packageName(e.record.Name)
		names[name] = true
		if p := i.packages[name]; p != nil && !p.made {
			others[p.id] = true
		}
	}
	if len(names) == 0 {
		return nil
	}
	return i.staging.within(ctx, func(tx *sqldb.DB) error {
		if err := i.verify(ctx, tx, batch, b); err != nil {
			return err
		}
		if err := i.clear(ctx, tx, batch); err != nil {
			return err
		}
		for _, t := range []struct {
			table   string
			columns []string
			rows    [][]any
		}{
			{"package_rows", packageRow, rows.packages},
			{"release_rows", releaseRow, rows.releases},
			{"file_rows", fileRow, rows.files},
			{"file_info", infoRow, rows.infos},
			{"file_channels", channelRow, rows.labels},
			{"records", recordRow, rows.records},
		} {
			if _, err := tx.CopyIn(ctx, t.table, t.columns, each(t.rows)); err != nil {
				return err
			}
		}
		if err := untold(ctx, tx, slices.Sorted(maps.Keys(others))); err != nil {
			return err
		}
		return i.staging.logNames(ctx, tx, i.subdir, slices.Sorted(maps.Keys(names)))
	})
}

// addFile adds the rows of a file that nobody has, and gives its id.
func (i *importer) addFile(rows *importedRows, e *entry, b *importedBatch) string {
	now := i.r.now() // for ids: those of a batch lie together
	rec, name := e.record, packageName(e.record.Name)
	p := i.packages[name]
	if p == nil {
		p = &importedPackage{id: access.NewID(now), staging: i.staging.id, made: true}
		i.packages[name] = p
		b.made = append(b.made, name)
		about := packageAttrs(accepted{Type: "conda", Package: name, License: rec.License, About: e.about()})
		shown := Package{Name: name, Summary: attrText(about, "summary"), Attrs: about}
		rows.packages = append(rows.packages, []any{
			p.id, i.owner.ID, name, i.src.private(name), shown.Summary, about,
			[]string{"conda"},
			[]string{},
			searchText(shown),
			i.actor.Name, i.stamp, i.stamp, i.staging.id,
		})
	}
	release := b.releases[releaseKey{p.id, rec.Version}]
	if release == "" {
		release = access.NewID(now)
		b.releases[releaseKey{p.id, rec.Version}], b.madeReleases[release] = release, true
		rows.releases = append(rows.releases, []any{release, p.id, rec.Version, e.about(), i.actor.Name, i.stamp, i.staging.id})
	}
	id, source := access.NewID(now), ""
	if i.src.MetadataOnly {
		source = strings.TrimSuffix(i.src.BaseURL, "/") + "/" + i.subdir + "/" + e.fileName
	}
	rows.files = append(rows.files, []any{
		id, i.owner.ID, p.id, release, "conda", i.subdir, e.fileName, strings.ToLower(e.fileName), i.subdir + "/" + e.fileName,
		rec.Version, rec.Build, rec.BuildNumber, rec.Size, rec.MD5, rec.SHA256, !i.src.MetadataOnly, source, e.attrs,
		e.encoded.JSON, e.encoded.Msgpack, e.encoded.RunExports, i.actor.Name, i.stamp, rec.License, rec.Timestamp, rec.IndexedTimestamp, e.source, i.staging.id,
	})
	if a := e.accepted; a.SHA256 != "" {
		rows.infos = append(rows.infos, []any{id, a.About, a.README, a.READMEName, a.Paths, a.Members, a.Flags})
	}
	rows.labels = append(rows.labels, []any{id, i.channel.ID, i.stamp})
	return id
}

// adoptShared makes packages and releases visible that another import has made, that
// goes on or was broken off, and of which files are visible now.
func (i *importer) adoptShared(ctx context.Context, c *change) error {
	if len(i.shared) == 0 {
		return nil
	}
	packages := slices.Sorted(maps.Keys(i.shared))
	shared := c.tx.EachText("$1") + " AS shared"
	// Not EXISTS: PostgreSQL would begin with all files of the import. And by the names of
	// releases that are there: SQLite would go through the releases of everybody.
	const with = " AND staging IN (SELECT id FROM stagings) AND (SELECT min(f.id) FROM file_rows f WHERE f.deleted_at IS NULL AND f.staging = $2 AND "
	for _, query := range []string{
		"UPDATE package_rows SET staging = NULL WHERE id IN (SELECT value FROM " + shared + ")" + with + "f.package_id = package_rows.id) IS NOT NULL",
		"UPDATE release_rows SET staging = NULL WHERE id IN (SELECT r.id FROM " + shared + " JOIN release_rows r ON r.package_id = shared.value AND r.deleted_at IS NULL)" +
			with + "f.package_id = release_rows.package_id AND f.version = release_rows.version AND f.release_id = release_rows.id) IS NOT NULL",
	} {
		if _, err := c.exec(ctx, query, packages, i.staging.id); err != nil {
			return fmt.Errorf("adopt what another import has made: %w", err)
		}
	}
	c.bumpAccess() // one of them may be private
	return nil
}

// each hands out rows one by one, for CopyIn.
func each(rows [][]any) func() ([]any, bool, error) {
	next := 0
	return func() ([]any, bool, error) {
		if next == len(rows) {
			return nil, false, nil
		}
		next++
		return rows[next-1], true, nil
	}
}

// take adds a file to what is known of a package.
func (p *importedPackage) take(rec conda.Record, subdir string, main bool) {
	p.dirty = true
	if p.platforms == nil {
		p.platforms = map[string]bool{}
	}
	p.platforms[subdir] = true
	if p.latest.take(rec.Version, main) {
		p.license = rec.License
	}
}

// describeBatch is how many packages are described in one transaction.
const describeBatch = 1000

// describe writes what is known of packages that the import made, while nobody
// sees them. One that somebody else uses by now is worked out from its files, when
// those are visible.
func (i *importer) describe(ctx context.Context) error {
	dirty := slices.DeleteFunc(slices.Sorted(maps.Keys(i.packages)), func(name string) bool { return !i.packages[name].dirty })
	for names := range slices.Chunk(dirty, describeBatch) {
		err := i.staging.within(ctx, func(tx *sqldb.DB) error {
			var others []string
			for _, name := range names {
				p := i.packages[name]
				n := int64(0)
				var err error
				if p.made {
					n, err = tx.Exec(ctx, "UPDATE package_rows SET platforms = $2, latest = $3, license = $4, released_at = $5 WHERE id = $1 AND staging = $6",
						p.id, slices.Sorted(maps.Keys(p.platforms)), p.latest.version, p.license, i.stamp, i.staging.id)
				}
				if err != nil {
					return err
				}
				if n == 0 {
					others = append(others, p.id)
				}
			}
			return untold(ctx, tx, others)
		})
		if err != nil {
			return fmt.Errorf("describe packages: %w", err)
		}
		for _, name := range names {
			i.packages[name].dirty = false
		}
	}
	return nil
}

// describeAgain does so for packages of subdirs before, which are visible by now,
// as far as nobody else has changed them since.
func (i *importer) describeAgain(ctx context.Context) error {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(i.names)), func(name string) bool {
		p := i.packages[name]
		return p == nil || !p.made || p.staging == i.staging.id
	})
	for names := range slices.Chunk(names, describeBatch) {
		err := i.r.db.Tx(ctx, func(tx *sqldb.DB) error {
			var done []string
			for _, name := range names {
				p := i.packages[name]
				n, err := tx.Exec(ctx, "UPDATE package_rows SET platforms = $2, latest = $3, license = $4, released_at = $5 WHERE id = $1 AND staging = $6 AND modified_at = created_at",
					p.id, slices.Sorted(maps.Keys(p.platforms)), p.latest.version, p.license, i.stamp, p.staging)
				if err != nil {
					return err
				}
				if n > 0 {
					done = append(done, p.id)
				}
			}
			_, err := tx.Exec(ctx, "DELETE FROM untold_packages WHERE package_id IN (SELECT value FROM "+tx.EachText("$1")+" AS told)", done)
			return err
		})
		if err != nil {
			return fmt.Errorf("describe packages: %w", err)
		}
	}
	return nil
}
