package registry

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json/jsontext"
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
)

// importBatch is how many records share a transaction, if their archives are not
// fetched. Other writers wait no longer than that takes: about 45 ms.
const importBatch = 600

// importer is one call of Import.
type importer struct {
	r        *Registry
	actor    access.Actor
	src      ImportSource
	closed   bool // not everybody may read the source
	progress ImportProgress
	packages map[string]*importedPackage // those met so far, over all subdirs

	// The subdir at hand.
	subdir    string
	staging   *staging
	owner     owner
	channel   Channel
	fresh     bool      // no file of the owner can be in the way, as far as is known
	stamp     time.Time // when it began: created_at and uploaded_at of what it makes
	count     ImportCount
	names     map[string]bool // packages whose records come
	present   []File          // files of the owner that only need the label
	discarded bool            // what an earlier try had staged was taken away, and the staging with it
	marks     marks
	shared    map[string]bool // ids of packages that another import has made, or releases of which
}

// importedPackage is a package that gets files, and what they say of it.
type importedPackage struct {
	id        string
	staging   string // what hides it: the import at hand, or "" where it is there
	private   bool   // when it was looked for
	made      bool   // by this import, which therefore knows what its files say
	dirty     bool   // that changed since it was written
	latest    newest
	license   string
	platforms map[string]bool
}

// record is one record as a source has it.
type record struct {
	record  conda.Record
	encoded repodata.Encoded
}

// entry is one record on its way into rows.
type entry struct {
	fileName string
	record   conda.Record
	encoded  repodata.Encoded
	source   string         // of indexed_timestamp
	attrs    jsontext.Value // of the file
	accepted accepted
	mark     mark       // of the record, or
	shard    *shardMark // of its shard
	old      *oldFile   // of the owner, with the same name
	err      error      // why it is left out
	refused  error      // why its archive was not taken, which no other look changes
}

// oldFile is a file that the owner has, and how the channel lists it.
type oldFile struct {
	id, sha256, md5 string
	size, indexedMS int64
	staging         string // what hides it, or ""
	withdrawn       bool
	added           int64  // of its record in the channel; 0 = none
	json            []byte // of that record
	listed          bool   // the channel lists it now, whatever an earlier try has staged
}

// load reads the repodata of the subdir and writes its rows, none of them visible.
// One goroutine reads, the other fetches and writes, since either takes about as
// long.
func (i *importer) load(ctx context.Context) error {
	var err error
	if i.count.Location, err = i.src.document(i.subdir); err != nil {
		return err
	}
	if err := i.recall(ctx); err != nil {
		return err
	}
	f, err := i.src.Files.Open(i.count.Location)
	if err != nil && errs.KindOf(err) != errs.Internal {
		return err
	}
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "%s cannot be read.", i.count.Location)
	}
	defer f.Close()
	batches := make(chan []*entry)
	var read, written ImportCount
	writer, both := errgroup.WithContext(ctx)
	writer.Go(func() error {
		done := 0
		for batch := range batches {
			if err := i.take(both, batch, &written); err != nil {
				return err
			}
			done += len(batch)
			i.progress(i.subdir, done)
		}
		return nil
	})
	reading := i.read
	if strings.HasSuffix(i.count.Location, shardIndexName) {
		reading = i.readShards
	}
	readErr := reading(both, bufio.NewReaderSize(f, 1<<20), &read, batches)
	close(batches)
	if err := writer.Wait(); err != nil {
		return err
	}
	if readErr != nil {
		return readErr
	}
	i.count.Added, i.count.Changed, i.count.Kept = written.Added, written.Changed, read.Kept+written.Kept
	i.count.LeftOut = read.LeftOut + written.LeftOut
	i.count.Reasons = append(read.Reasons, written.Reasons...)
	i.count.Reasons = i.count.Reasons[:min(len(i.count.Reasons), maxReasons)]
	return nil
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

// read reads the document of the subdir and sends on what is not known to be here
// already, in batches.
func (i *importer) read(ctx context.Context, document io.Reader, count *ImportCount, batches chan<- []*entry) error {
	out := i.batcher(ctx, batches)
	info, err := repodata.ReadRecords(document, func(fileName string, raw jsontext.Value) error {
		mark := markOf(fileName, raw)
		if n := i.marks.known(nameOfFile(fileName), mark); n > 0 {
			count.Kept += n
			return nil
		}
		e, err := i.entry(fileName, func() (record, error) {
			rec, encoded, err := repodata.TranscodeRecord(fileName, raw)
			return record{rec, encoded}, err
		})
		if err != nil {
			count.leaveOut(fileName, err)
			return nil
		}
		e.mark = mark
		return out.add(e)
	})
	if err != nil {
		return err
	}
	if info.Subdir != "" && info.Subdir != i.subdir {
		return errs.New(errs.Invalid, "%s says that it is of %s.", i.count.Location, clip(info.Subdir)).Because("subdir-differs")
	}
	return out.flush()
}

// entry reads one record and works out when it was first seen.
func (i *importer) entry(fileName string, read func() (record, error)) (*entry, error) {
	r, err := read()
	if err != nil {
		return nil, err
	}
	record, encoded := r.record, r.encoded
	if record.SHA256 == "" {
		return nil, errs.New(errs.Invalid, "Its record has no sha256, so its bytes could not be verified.")
	}
	if record.Size == 0 && i.src.MetadataOnly {
		return nil, errs.New(errs.Invalid, "Its record has no size, so its bytes could not be verified.")
	}
	if record.Subdir != "" && record.Subdir != i.subdir {
		return nil, errs.New(errs.Invalid, "Its record says %s.", clip(record.Subdir))
	}
	e := &entry{fileName: fileName, source: "upstream"}
	now := i.stamp.UnixMilli()
	changed := record.Subdir == ""
	record.Subdir = i.subdir
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
	if e.attrs, err = e.makeAttrs(); err != nil {
		return nil, err
	}
	return e, nil
}

// fetch takes the archives of a batch into the blob store, a few at a time, and
// notes in an entry why it must be left out. What an earlier look made it fetch, or
// refuse, is not asked for again.
func (i *importer) fetch(ctx context.Context, batch []*entry) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(i.r.opts.Parses)
	for _, e := range batch {
		if e.old != nil || e.err != nil || e.accepted.SHA256 != "" {
			continue
		}
		g.Go(func() error {
			err := i.archive(ctx, e)
			if k := errs.KindOf(err); k == errs.Invalid || k == errs.TooLarge || errors.Is(err, fs.ErrNotExist) {
				e.err, e.refused = err, err
				return nil
			}
			return err
		})
	}
	return g.Wait()
}

// archive takes one archive over and reads its info. The record is that of the
// document, which may be corrected (a hotfix); the bytes must be those it names.
func (i *importer) archive(ctx context.Context, e *entry) error {
	f, err := i.src.Files.Open(i.subdir + "/" + e.fileName)
	if errors.Is(err, fs.ErrNotExist) {
		return errs.Wrap(errs.Invalid, err, "The file is not there.")
	}
	if err != nil {
		err = fmt.Errorf("open %s: %w", e.fileName, err)
		if _, shut := fs.Stat(i.src.Files, i.count.Location); shut != nil {
			// Not this file alone is refused, as where a token has expired: what is
			// here already stays for a try with another.
			return errs.Wrap(errs.Unavailable, err, "%s cannot be read any more, at %s. Import again when it can: what was loaded is kept.", i.src.Name, e.fileName)
		}
		return err
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
	if e.attrs, err = e.makeAttrs(); err != nil {
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
func (e *entry) makeAttrs() (jsontext.Value, error) {
	in := jsontext.NewDecoder(bytes.NewReader(e.encoded.JSON))
	out := append(make(jsontext.Value, 0, len(e.encoded.JSON)), '{')
	if _, err := in.ReadToken(); err != nil {
		return nil, fmt.Errorf("read the record of %s: %w", e.fileName, err)
	}
	for in.PeekKind() == '"' {
		key, err := in.ReadValue()
		if err != nil {
			return nil, fmt.Errorf("read the record of %s: %w", e.fileName, err)
		}
		start := len(out)
		if start > 1 {
			out = append(out, ',')
		}
		out = append(append(out, key...), ':')
		value, err := in.ReadValue()
		if err != nil {
			return nil, fmt.Errorf("read the record of %s: %w", e.fileName, err)
		}
		switch string(out[len(out)-len(key)-1 : len(out)-1]) {
		case `"name"`, `"version"`, `"md5"`, `"sha256"`, `"size"`:
			out = out[:start]
		default:
			out = append(out, value...)
		}
	}
	return append(out, '}'), nil
}
