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
	packageRow = []string{"id", "owner_id", "name", "private", "summary", "attrs", "types", "platforms", "search_text", "created_by", "created_at", "modified_at"}
	releaseRow = []string{"id", "package_id", "version", "attrs", "created_by", "created_at"}
	fileRow    = []string{
		"id", "owner_id", "package_id", "release_id", "type", "subdir", "name", "name_key", "basename", "version", "build",
		"build_number", "size", "md5", "sha256", "stored", "source_url", "attrs", "record_json", "record_msgpack", "run_exports",
		"uploaded_by", "uploaded_at", "license", "timestamp_ms", "indexed_ms", "indexed_source",
	}
	infoRow    = []string{"file_id", "about", "readme", "readme_name", "paths", "members", "flags"}
	channelRow = []string{"file_id", "channel_id", "added_at"}
	recordRow  = []string{
		"channel_id", "subdir", "name", "file_name", "added", "file_id", "version", "build", "build_number",
		"license", "timestamp_ms", "indexed_ms", "size", "json", "msgpack", "run_exports",
	}
)

// write puts a batch into rows, in one transaction.
func (i *importer) write(ctx context.Context, subdir string, batch []*entry) error {
	var packages, releases, files, infos, labels, records [][]any
	now := i.r.now() // for ids: those of a batch lie together
	for _, e := range batch {
		rec, name := e.record, packageName(e.record.Name)
		p := i.packages[name]
		if p == nil {
			p = &importedPackage{id: access.NewID(now)}
			i.packages[name] = p
		}
		if !p.written {
			p.written = true
			about := packageAttrs(accepted{Type: "conda", Package: name, License: rec.License, About: e.about()})
			shown := Package{Name: name, Summary: attrText(about, "summary"), Attrs: about}
			packages = append(packages, []any{
				p.id, i.owner.ID, name, false, shown.Summary, about,
				[]string{"conda"},
				[]string{},
				searchText(shown),
				i.actor.Name, i.stamp, i.stamp,
			})
		}
		p.take(rec, subdir, i.channel.Name == mainLabel)
		i.names[name] = true
		release := i.releases[[2]string{p.id, rec.Version}]
		if release == "" {
			release = access.NewID(now)
			i.releases[[2]string{p.id, rec.Version}] = release
			releases = append(releases, []any{release, p.id, rec.Version, e.about(), i.actor.Name, i.stamp})
		}
		attrs, err := e.attrs()
		if err != nil {
			return err
		}
		e.id = access.NewID(now)
		source := ""
		if i.src.MetadataOnly {
			source = strings.TrimSuffix(i.src.BaseURL, "/") + "/" + subdir + "/" + e.fileName
		}
		files = append(files, []any{
			e.id, i.owner.ID, p.id, release, "conda", subdir, e.fileName, strings.ToLower(e.fileName), subdir + "/" + e.fileName,
			rec.Version, rec.Build, rec.BuildNumber, rec.Size, rec.MD5, rec.SHA256, !i.src.MetadataOnly, source, attrs,
			e.encoded.JSON, e.encoded.Msgpack, e.encoded.RunExports, i.actor.Name, i.stamp, rec.License, rec.Timestamp, rec.IndexedTimestamp, e.source,
		})
		if a := e.accepted; a.SHA256 != "" {
			infos = append(infos, []any{e.id, a.About, a.README, a.READMEName, a.Paths, a.Members, a.Flags})
		}
		labels = append(labels, []any{e.id, i.channel.ID, i.stamp})
		records = append(records, []any{
			i.channel.ID, subdir, name, e.fileName, i.generation, e.id, rec.Version, rec.Build, rec.BuildNumber,
			rec.License, rec.Timestamp, rec.IndexedTimestamp, rec.Size, e.encoded.JSON, e.encoded.Msgpack, e.encoded.RunExports,
		})
	}
	err := i.hold.within(ctx, func(tx *sqldb.DB) error {
		for _, t := range []struct {
			table   string
			columns []string
			rows    [][]any
		}{
			{"packages", packageRow, packages},
			{"releases", releaseRow, releases},
			{"files", fileRow, files},
			{"file_info", infoRow, infos},
			{"file_channels", channelRow, labels},
			{"records", recordRow, records},
		} {
			if _, err := tx.CopyIn(ctx, t.table, t.columns, each(t.rows)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write %d records of %s: %w", len(batch), subdir, err)
	}
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

// refresh writes what the files of packages say of them. For packages that the
// import made, everything is known; those that were there are looked at.
func (i *importer) refresh(ctx context.Context) error {
	dirty := slices.DeleteFunc(slices.Sorted(maps.Keys(i.packages)), func(name string) bool { return !i.packages[name].dirty })
	for names := range slices.Chunk(dirty, importBatch) {
		err := i.r.db.Tx(ctx, func(tx *sqldb.DB) error {
			c := &change{r: i.r, tx: tx, actor: i.actor, now: i.stamp}
			for _, name := range names {
				p := i.packages[name]
				if p.existed {
					if err := c.refreshPackage(ctx, p.id); err != nil {
						return err
					}
					continue
				}
				_, err := tx.Exec(ctx, "UPDATE packages SET platforms = $2, latest = $3, license = $4, released_at = $5 WHERE id = $1",
					p.id, slices.Sorted(maps.Keys(p.platforms)), p.latest.version, p.license, i.stamp)
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("refresh packages: %w", err)
		}
		for _, name := range names {
			i.packages[name].dirty = false
		}
	}
	return nil
}
