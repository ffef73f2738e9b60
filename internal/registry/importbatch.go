package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"terrarium/internal/errs"
	"terrarium/internal/repodata"
	"terrarium/internal/sqldb"
)

// errOvertaken says that somebody else changed what a batch relies on between
// its look at the rows and its own transaction.
var errOvertaken = errors.New("another change came between")

// importAttempts is how often a batch is tried that others overtake.
const importAttempts = 10

// take fetches the archives of a batch, if that is wanted, and writes its rows.
// Looking at what is there goes before the transaction, so that others wait for
// the writes alone; where somebody was quicker, it is looked at again.
func (i *importer) take(ctx context.Context, batch []*entry, count *ImportCount) error {
	for try := 1; ; try++ {
		b := &importedBatch{releases: map[releaseKey]string{}, madeReleases: map[string]bool{}, again: try > 1}
		if err := i.look(ctx, batch, b); err != nil {
			return err
		}
		if !i.src.MetadataOnly {
			if err := i.fetch(ctx, batch); err != nil {
				return err
			}
		}
		err := i.write(ctx, batch, b)
		if err == nil {
			point(pointImportBatch)
			i.took(batch, count)
			return nil
		}
		for _, name := range b.made {
			delete(i.packages, name)
		}
		if i.fresh = false; !errors.Is(err, errOvertaken) && !sqldb.IsUnique(err) || try == importAttempts {
			return fmt.Errorf("write %d records of %s: %w", len(batch), i.subdir, err)
		}
	}
}

// importedBatch is what is known of a batch beside its entries.
type importedBatch struct {
	releases     map[releaseKey]string // id of a release that is there, or that the batch makes
	made         []string              // names of packages that the batch makes
	madeReleases map[string]bool       // ids of releases that it makes
	again        bool                  // somebody was quicker, perhaps with a package that this import had made
}

type releaseKey struct{ packageID, version string }

// look reads what the owner has of a batch: packages, releases, and files of the
// same names with their records in the channel.
func (i *importer) look(ctx context.Context, batch []*entry, b *importedBatch) error {
	var unknown, packages []string
	seen := map[string]bool{}
	for _, e := range batch {
		name := packageName(e.record.Name)
		if seen[name] {
			continue
		}
		seen[name] = true
		switch p := i.packages[name]; {
		case b.again || p == nil || !p.made && p.staging == "": // it may have gone meanwhile
			unknown = append(unknown, name)
		default:
			packages = append(packages, p.id)
		}
	}
	if len(unknown) > 0 {
		before := map[string]*importedPackage{}
		for _, name := range unknown {
			before[name] = i.packages[name]
			delete(i.packages, name)
		}
		err := i.r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
			var name string
			p := &importedPackage{}
			if err := rows.Scan(&name, &p.id, &p.private, &p.staging); err != nil {
				return err
			}
			if was := before[name]; was != nil && was.made && was.id == p.id {
				p = was // what its files say is known
			}
			i.packages[name] = p
			packages = append(packages, p.id)
			if p.staging != "" && p.staging != i.staging.id {
				i.shared[p.id] = true
			}
			return nil
		}, `SELECT p.name, p.id, p.private, coalesce(s.id, '') FROM package_rows p LEFT JOIN stagings s ON s.id = p.staging
			WHERE p.owner_id = $1 AND p.deleted_at IS NULL AND p.name IN (SELECT value FROM `+i.r.db.EachText("$2")+` AS wanted)`, i.owner.ID, unknown)
		if err != nil {
			return fmt.Errorf("look for the packages of a batch: %w", err)
		}
	}
	if len(packages) > 0 {
		err := i.r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
			var id, staging string
			var key releaseKey
			if err := rows.Scan(&id, &key.packageID, &key.version, &staging); err != nil {
				return err
			}
			b.releases[key] = id
			if staging != "" && staging != i.staging.id {
				i.shared[key.packageID] = true
			}
			return nil
		}, `SELECT r.id, r.package_id, r.version, coalesce(s.id, '') FROM release_rows r LEFT JOIN stagings s ON s.id = r.staging
			WHERE r.deleted_at IS NULL AND r.package_id IN (SELECT value FROM `+i.r.db.EachText("$1")+` AS wanted)`, packages)
		if err != nil {
			return fmt.Errorf("look for the releases of a batch: %w", err)
		}
	}
	if err := i.lookFiles(ctx, batch); err != nil {
		return err
	}
	i.judgePrivacy(batch)
	return nil
}

// lookFiles finds the files that have the names of a batch, and judges each entry.
func (i *importer) lookFiles(ctx context.Context, batch []*entry) error {
	keys, byKey := make([]string, 0, len(batch)), make(map[string]*entry, len(batch))
	for _, e := range batch {
		e.old, e.err = nil, e.refused
		key := strings.ToLower(e.fileName)
		if byKey[key] != nil {
			e.err = errs.New(errs.Exists, "The document lists it twice.")
			continue
		}
		keys, byKey[key] = append(keys, key), e
	}
	if i.fresh {
		return i.judgePast(ctx, batch)
	}
	if err := i.lookNamed(ctx, keys, byKey); err != nil {
		return fmt.Errorf("look for the files of a batch: %w", err)
	}
	for _, e := range batch {
		if e.old == nil || e.err != nil {
			continue
		}
		if e.err = i.judge(e); e.err != nil {
			continue
		}
		if err := e.liken(); err != nil {
			return err
		}
	}
	return i.judgePast(ctx, batch)
}

// lookNamed finds files by their names in lower case, and how the channel lists
// them. Each step goes by one key: PostgreSQL, which knows nothing yet of rows that
// are minutes old, would else read all files of the owner for each batch.
func (i *importer) lookNamed(ctx context.Context, keys []string, byKey map[string]*entry) error {
	byID, ids := map[string]*oldFile{}, []string{}
	err := i.r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var key string
		var id *string
		if err := rows.Scan(&key, &id); err != nil || id == nil {
			return err
		}
		byID[*id] = &oldFile{id: *id}
		byKey[key].old = byID[*id]
		ids = append(ids, *id)
		return nil
	}, `SELECT wanted.value, (SELECT f.id FROM file_rows f WHERE f.owner_id = $1 AND f.subdir = $2 AND f.name_key = wanted.value AND f.type = 'conda' AND f.deleted_at IS NULL)
		FROM `+i.r.db.EachText("$3")+` AS wanted`, i.owner.ID, i.subdir, keys)
	if err != nil || len(ids) == 0 {
		return err
	}
	err = i.r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var o oldFile
		if err := rows.Scan(&o.id, &o.sha256, &o.md5, &o.size, &o.indexedMS, &o.staging, &o.withdrawn); err != nil {
			return err
		}
		*byID[o.id] = o
		return nil
	}, `SELECT f.id, f.sha256, f.md5, f.size, f.indexed_ms, coalesce(s.id, ''), f.withdrawn_at IS NOT NULL
		FROM file_rows f LEFT JOIN stagings s ON s.id = f.staging WHERE f.id IN (SELECT value FROM `+i.r.db.EachText("$1")+` AS wanted)`, ids)
	if err != nil {
		return err
	}
	return i.r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var id string
		var added int64
		var text []byte
		if err := rows.Scan(&id, &added, &text); err != nil {
			return err
		}
		o := byID[id]
		o.listed = o.listed || added != i.staging.generation
		if added >= o.added { // one of the generation to come counts
			o.added, o.json = added, text
		}
		return nil
	}, `SELECT r.file_id, r.added, r.json FROM records r
		WHERE r.file_id IN (SELECT value FROM `+i.r.db.EachText("$2")+` AS wanted) AND `+inChannelOf("r.channel_id")+` AND (r.added = $3 OR `+liveRecord("r", "$1")+`)`,
		i.channel.ID, ids, i.staging.generation)
}

// judge says why an entry whose name is taken is left out, if it is.
func (i *importer) judge(e *entry) error {
	switch {
	case e.old.withdrawn:
		return errs.New(errs.Exists, "%s has it and has withdrawn it.", i.owner.Name)
	case e.old.staging != "" && e.old.staging != i.staging.id:
		return errs.New(errs.Exists, "It is being loaded into another channel of %s at this moment.", i.owner.Name)
	case e.old.sha256 != e.record.SHA256:
		return errs.New(errs.Exists, "%s has it already with other bytes.", i.owner.Name)
	}
	return nil
}

// liken gives a record what the file that is here has and the document cannot
// know, or does not say.
func (e *entry) liken() error {
	r := e.record
	r.IndexedTimestamp = e.old.indexedMS
	if r.Size == 0 {
		r.Size = e.old.size
	}
	if r.MD5 == "" {
		r.MD5 = e.old.md5
	}
	encoded, err := repodata.EncodeRecord(r)
	if err != nil {
		return err
	}
	e.record, e.encoded = r, encoded
	return nil
}

// fate is what becomes of an entry.
type fate int

const (
	fateNew      fate = iota // a file that nobody has
	fateListed               // a file of the owner that comes into the channel
	fateChanged              // the channel lists it with another record
	fateStaged               // an earlier try has written it
	fateRestaged             // so, with another record
	fateKept                 // nothing is to be done
	fateLeftOut
)

func (e *entry) fate(generation int64) fate {
	switch {
	case e.err != nil:
		return fateLeftOut
	case e.old == nil:
		return fateNew
	case e.old.added == 0:
		return fateListed
	case e.old.added == generation && bytes.Equal(e.old.json, e.encoded.JSON):
		return fateStaged
	case e.old.added == generation:
		return fateRestaged
	case !bytes.Equal(e.old.json, e.encoded.JSON):
		return fateChanged
	}
	return fateKept
}

// took counts a batch that is written.
func (i *importer) took(batch []*entry, count *ImportCount) {
	for _, e := range batch {
		f := e.fate(i.staging.generation)
		name := packageName(e.record.Name)
		switch f {
		case fateLeftOut:
			count.leaveOut(e.fileName, e.err)
			continue
		case fateKept:
			count.Kept++
		case fateChanged:
			count.Changed++
			i.names[name] = true
		case fateListed, fateStaged, fateRestaged, fateNew:
			if f != fateNew && e.old.listed {
				count.Changed++ // an earlier try has ended what the channel lists
			} else {
				count.Added++
			}
			i.names[name] = true
			if f != fateNew && e.old.staging == "" && !e.old.listed {
				i.present = append(i.present, File{ID: e.old.id, Subdir: i.subdir, Name: e.fileName, PackageName: name})
			}
		}
		if f == fateNew {
			i.packages[name].take(e.record, i.subdir, i.channel.Name == mainLabel)
		}
		if e.shard == nil {
			i.marks.take(e.mark, 1)
		} else if e.shard.left--; e.shard.left == 0 {
			i.marks.take(e.shard.mark, e.shard.files)
		}
	}
}

// verify looks, inside the transaction, that what a batch builds upon is still
// there, and that nobody has listed what it lists.
func (i *importer) verify(ctx context.Context, tx *sqldb.DB, batch []*entry, b *importedBatch) error {
	var packages, releases, files, listed []string
	for _, e := range batch {
		if e.fate(i.staging.generation) == fateListed {
			listed = append(listed, e.old.id)
		}
		switch e.fate(i.staging.generation) {
		case fateNew:
			name := packageName(e.record.Name)
			if !slices.Contains(b.made, name) {
				packages = append(packages, i.packages[name].id)
			}
			if id := b.releases[releaseKey{i.packages[name].id, e.record.Version}]; !b.madeReleases[id] {
				releases = append(releases, id)
			}
		case fateListed, fateChanged, fateStaged, fateRestaged, fateKept:
			files = append(files, e.old.id)
		case fateLeftOut:
		}
	}
	there := func(table string, ids []string) error {
		if len(ids) == 0 {
			return nil
		}
		found, err := sqldb.All(ctx, tx, sqldb.Scalar[string],
			"SELECT id FROM "+table+" AND id IN (SELECT value FROM "+tx.EachText("$1")+" AS wanted) ORDER BY id"+tx.ForUpdate(), ids)
		if err != nil {
			return fmt.Errorf("look again at a batch: %w", err)
		}
		if len(found) != len(ids) {
			return errOvertaken
		}
		return nil
	}
	if err := there("package_rows WHERE deleted_at IS NULL", sortedSet(packages)); err != nil {
		return err
	}
	if err := there("release_rows WHERE deleted_at IS NULL", sortedSet(releases)); err != nil {
		return err
	}
	if err := i.staging.lockChannel(ctx, tx); err != nil {
		return err
	}
	if err := there("file_rows WHERE deleted_at IS NULL AND withdrawn_at IS NULL", files); err != nil {
		return err
	}
	if len(listed) == 0 {
		return nil
	}
	var overtaken bool
	err := tx.Row(ctx, "SELECT EXISTS (SELECT 1 FROM records r WHERE r.file_id IN (SELECT value FROM "+tx.EachText("$2")+" AS wanted) AND "+inChannelOf("r.channel_id")+
		" AND (r.added = $3 OR "+liveRecord("r", "$1")+"))", i.channel.ID, listed, i.staging.generation).Scan(&overtaken)
	if err != nil {
		return fmt.Errorf("look again at a batch: %w", err)
	}
	if overtaken {
		return errOvertaken
	}
	return nil
}

// clear makes room for the records of a batch: those that the channel lists end
// with the generation to come, and those of an earlier try go.
func (i *importer) clear(ctx context.Context, tx *sqldb.DB, batch []*entry) error {
	const of = " WHERE channel_id = $1 AND subdir = $2 AND name = $3 AND file_name = $4 AND added = $5"
	for _, e := range batch {
		key := []any{i.channel.ID, i.subdir, packageName(e.record.Name), e.fileName}
		var n int64
		var err error
		switch e.fate(i.staging.generation) {
		case fateChanged:
			n, err = tx.Exec(ctx, "UPDATE records SET removed = $6"+of+" AND removed IS NULL", append(key, e.old.added, i.staging.generation)...)
		case fateRestaged:
			n, err = tx.Exec(ctx, "DELETE FROM records"+of, append(key, i.staging.generation)...)
		default:
			continue
		}
		if err != nil {
			return fmt.Errorf("end the record of %s: %w", e.fileName, err)
		}
		if n == 0 {
			return errOvertaken
		}
	}
	return nil
}
