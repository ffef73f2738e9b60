package registry

import (
	"bufio"
	"context"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"terrarium/internal/access"
	"terrarium/internal/archive"
	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/repodata"
	"terrarium/internal/sqldb"
)

// importBatch is how many records share a transaction. Other writers wait for no
// longer than that takes.
const importBatch = 5000

// importer is one call of Import.
type importer struct {
	r        *Registry
	actor    access.Actor
	src      ImportSource
	progress ImportProgress

	// The subdir at hand.
	owner      owner
	channel    Channel
	hold       *hold
	generation int64
	stamp      time.Time // when it began: created_at and uploaded_at of what it makes
	files      map[string]present
	listed     map[string]bool // lower-case file names
	present    []File          // files of the owner that only need the label
	names      map[string]bool // packages whose records come

	// Over all subdirs.
	packages map[string]*importedPackage
	releases map[[2]string]string // package id, version → id
}

// present is a file that the owner has.
type present struct{ id, sha256 string }

// importedPackage is a package that gets files, and what they say of it.
type importedPackage struct {
	id        string
	private   bool
	existed   bool // before the import; its files are then looked at by SQL
	written   bool
	dirty     bool // facts changed since they were written
	latest    newest
	license   string
	platforms map[string]bool
}

// entry is one record on its way into rows.
type entry struct {
	fileName string
	record   conda.Record
	encoded  repodata.Encoded
	source   string // of indexed_timestamp
	accepted accepted
	id       string
	err      error // why it is left out
}

// load reads the repodata of a subdir and writes its rows, none of them visible
// in the index yet. One goroutine reads, the other fetches and writes, since
// either takes about as long.
func (i *importer) load(ctx context.Context, subdir string) (ImportCount, error) {
	count := ImportCount{Location: i.src.document(subdir)}
	if err := i.look(ctx, subdir); err != nil {
		return count, err
	}
	f, err := i.src.Files.Open(count.Location)
	if err != nil {
		return count, errs.Wrap(errs.Invalid, err, "%s cannot be read.", count.Location)
	}
	defer f.Close()
	batches := make(chan []*entry)
	var written ImportCount
	writer, both := errgroup.WithContext(ctx)
	writer.Go(func() error {
		done := 0
		for batch := range batches {
			if err := i.take(both, subdir, batch, &written); err != nil {
				return err
			}
			done += len(batch)
			i.progress(subdir, done)
		}
		return nil
	})
	readErr := i.read(both, bufio.NewReaderSize(f, 1<<20), subdir, &count, batches)
	close(batches)
	if err := writer.Wait(); err != nil {
		return count, err
	}
	if readErr != nil {
		return count, readErr
	}
	for _, f := range i.present {
		i.names[f.PackageName] = true
	}
	count.Added += written.Added
	count.LeftOut += written.LeftOut
	count.Reasons = append(count.Reasons, written.Reasons...)
	count.Reasons = count.Reasons[:min(len(count.Reasons), maxReasons)]
	return count, i.refresh(ctx)
}

// maxReasons is how many reasons an ImportCount holds.
const maxReasons = 100

// leaveOut counts a file that is not taken.
func (c *ImportCount) leaveOut(name string, err error) {
	c.LeftOut++
	if len(c.Reasons) < maxReasons {
		c.Reasons = append(c.Reasons, name+": "+errs.Message(err))
	}
}

// take fetches the archives of a batch, if that is wanted, and writes its rows.
func (i *importer) take(ctx context.Context, subdir string, batch []*entry, count *ImportCount) error {
	if !i.src.MetadataOnly {
		if err := i.fetch(ctx, subdir, batch); err != nil {
			return err
		}
	}
	kept := make([]*entry, 0, len(batch))
	for _, e := range batch {
		if e.err != nil {
			count.leaveOut(e.fileName, e.err)
			continue
		}
		kept = append(kept, e)
	}
	if err := i.write(ctx, subdir, kept); err != nil {
		return err
	}
	point(pointImportBatch)
	count.Added += len(kept)
	return nil
}

// read reads the document of a subdir and sends on what is new, in batches.
func (i *importer) read(ctx context.Context, document io.Reader, subdir string, count *ImportCount, batches chan<- []*entry) error {
	batch := make([]*entry, 0, importBatch)
	send := func() error {
		select {
		case batches <- batch:
			batch = make([]*entry, 0, importBatch)
			return nil
		case <-ctx.Done(): // the writer has failed, and says why
			return ctx.Err()
		}
	}
	info, err := repodata.ReadRecords(document, func(fileName string, raw jsontext.Value) error {
		e, err := i.entry(subdir, fileName, raw)
		if err != nil {
			count.leaveOut(fileName, err)
			return nil
		}
		key := strings.ToLower(fileName)
		old, there := i.files[key]
		switch {
		case i.listed[key] && there && old.sha256 == e.record.SHA256:
			count.Kept++
			return nil
		case there && old.id == "":
			count.leaveOut(fileName, errs.New(errs.Exists, "The document lists it twice."))
			return nil
		case there && old.sha256 != e.record.SHA256:
			count.leaveOut(fileName, errs.New(errs.Exists, "%s has it already with other bytes.", i.owner.Name))
			return nil
		case there:
			i.present = append(i.present, File{
				ID: old.id, OwnerID: i.owner.ID, OwnerName: i.owner.Name, PackageName: packageName(e.record.Name), Name: fileName,
			})
			count.Added++
			return nil
		}
		i.files[key] = present{sha256: e.record.SHA256}
		if batch = append(batch, e); len(batch) < importBatch {
			return nil
		}
		return send()
	})
	if err != nil {
		return err
	}
	if info.Subdir != "" && info.Subdir != subdir {
		return errs.New(errs.Invalid, "%s says that it is of %s.", count.Location, clip(info.Subdir)).Because("subdir-differs")
	}
	return send()
}

// entry reads one record and works out when it was first seen.
func (i *importer) entry(subdir, fileName string, raw jsontext.Value) (*entry, error) {
	record, encoded, err := repodata.TranscodeRecord(fileName, raw)
	if err != nil {
		return nil, err
	}
	if record.SHA256 == "" {
		return nil, errs.New(errs.Invalid, "Its record has no sha256, so its bytes could not be verified.")
	}
	if record.Size == 0 && i.src.MetadataOnly {
		return nil, errs.New(errs.Invalid, "Its record has no size, so its bytes could not be verified.")
	}
	if record.Subdir != "" && record.Subdir != subdir {
		return nil, errs.New(errs.Invalid, "Its record says %s.", clip(record.Subdir))
	}
	e := &entry{fileName: fileName, source: "upstream"}
	now := i.stamp.UnixMilli()
	changed := record.Subdir == ""
	record.Subdir = subdir
	switch {
	case record.IndexedTimestamp > 0 && record.IndexedTimestamp <= now:
	case record.Timestamp > 0 && record.Timestamp <= now:
		e.source, record.IndexedTimestamp, changed = "timestamp", record.Timestamp, true
	default:
		e.source, record.IndexedTimestamp, changed = "now", now, true
	}
	if changed {
		if encoded, err = repodata.EncodeRecord(record); err != nil {
			return nil, err
		}
	}
	e.record, e.encoded = record, encoded
	return e, nil
}

// look reads what the owner has already in a subdir.
func (i *importer) look(ctx context.Context, subdir string) error {
	i.files, i.listed, i.names, i.present = map[string]present{}, map[string]bool{}, map[string]bool{}, nil
	err := i.r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var key string
		var p present
		if err := rows.Scan(&key, &p.id, &p.sha256); err != nil {
			return err
		}
		i.files[key] = p
		return nil
	}, "SELECT name_key, id, sha256 FROM files WHERE owner_id = $1 AND subdir = $2 AND type = 'conda' AND deleted_at IS NULL", i.owner.ID, subdir)
	if err != nil {
		return fmt.Errorf("list the files of %s: %w", i.owner.Name, err)
	}
	err = i.r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		i.listed[strings.ToLower(name)] = true
		return nil
	}, "SELECT file_name FROM records WHERE channel_id = $1 AND subdir = $2 AND removed IS NULL", i.channel.ID, subdir)
	if err != nil {
		return fmt.Errorf("list the records of %s/%s: %w", i.owner.Name, i.channel.Name, err)
	}
	if i.packages != nil {
		return nil
	}
	i.packages, i.releases = map[string]*importedPackage{}, map[[2]string]string{}
	err = i.r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var name string
		p := &importedPackage{existed: true, written: true}
		if err := rows.Scan(&p.id, &name, &p.private); err != nil {
			return err
		}
		i.packages[name] = p
		return nil
	}, "SELECT id, name, private FROM packages WHERE owner_id = $1 AND deleted_at IS NULL", i.owner.ID)
	if err != nil {
		return fmt.Errorf("list the packages of %s: %w", i.owner.Name, err)
	}
	err = i.r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var id, packageID, version string
		if err := rows.Scan(&id, &packageID, &version); err != nil {
			return err
		}
		i.releases[[2]string{packageID, version}] = id
		return nil
	}, `SELECT r.id, r.package_id, r.version FROM releases r JOIN packages p ON p.id = r.package_id
		WHERE p.owner_id = $1 AND p.deleted_at IS NULL AND r.deleted_at IS NULL`, i.owner.ID)
	if err != nil {
		return fmt.Errorf("list the releases of %s: %w", i.owner.Name, err)
	}
	return nil
}

// fetch takes the archives of a batch into the blob store, a few at a time, and
// notes in an entry why it must be left out.
func (i *importer) fetch(ctx context.Context, subdir string, batch []*entry) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(i.r.opts.Parses)
	for _, e := range batch {
		g.Go(func() error {
			err := i.archive(ctx, subdir, e)
			if k := errs.KindOf(err); k == errs.Invalid || k == errs.TooLarge || errors.Is(err, fs.ErrNotExist) {
				e.err = err
				return nil
			}
			return err
		})
	}
	return g.Wait()
}

// archive takes one archive over and reads its info. The record is that of the
// document, which may be corrected (a hotfix); the bytes must be those it names.
func (i *importer) archive(ctx context.Context, subdir string, e *entry) error {
	f, err := i.src.Files.Open(subdir + "/" + e.fileName)
	if errors.Is(err, fs.ErrNotExist) {
		return errs.Wrap(errs.Invalid, err, "The file is not there.")
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", e.fileName, err)
	}
	defer f.Close()
	want := expected{Type: "conda", FileName: e.fileName, Size: e.record.Size, SHA256: e.record.SHA256}
	if want.Size == 0 {
		want.Size = -1 // old documents do not say it
	}
	w, a, err := i.r.receive(ctx, f, want)
	if err != nil {
		return err
	}
	defer i.r.abort(w)
	src, size, err := w.ReaderAt()
	if err != nil {
		return fmt.Errorf("read %s: %w", e.fileName, err)
	}
	limits := i.r.opts.Limits
	limits.Lenient = true
	info, err := archive.Read(src, size, e.fileName, limits)
	if err != nil {
		return err
	}
	if err := a.keepInfo(info); err != nil {
		return err
	}
	if e.record.RunExports == nil {
		e.record.RunExports = info.Record.RunExports
	}
	e.record.Size, e.record.MD5, e.accepted = a.Size, a.MD5, a
	if e.encoded, err = repodata.EncodeRecord(e.record); err != nil {
		return err
	}
	if _, err := w.Commit(ctx); err != nil {
		return fmt.Errorf("keep the bytes of %s: %w", e.fileName, err)
	}
	return nil
}

// about gives what a package says of itself, as far as the archive was read.
func (e *entry) about() jsontext.Value {
	if e.accepted.About == nil {
		return jsontext.Value("{}")
	}
	return e.accepted.About
}

// attrs makes the attributes of a file from its record.
func (e *entry) attrs() (jsontext.Value, error) {
	members := map[string]jsontext.Value{}
	if err := json.Unmarshal(e.encoded.JSON, &members); err != nil {
		return nil, fmt.Errorf("read the record of %s: %w", e.fileName, err)
	}
	for _, key := range []string{"name", "version", "md5", "sha256", "size"} {
		delete(members, key)
	}
	out, err := json.Marshal(members, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("write the attributes of %s: %w", e.fileName, err)
	}
	return out, nil
}
