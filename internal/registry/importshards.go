package registry

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"

	"golang.org/x/sync/errgroup"

	"terrarium/internal/errs"
	"terrarium/internal/repodata"
)

// shardIndexName is the document of a subdir that lists its shards (CEP 16).
const shardIndexName = "repodata_shards.msgpack.zst"

// shardsAtOnce is how many shards of a source are asked for at once.
const shardsAtOnce = 16

// maxSourceIndex bounds the shard index of a source, in bytes.
const maxSourceIndex = 64 << 20

// readShards is read for a source that has shards alone: those are fetched that the
// import before did not see.
func (i *importer) readShards(ctx context.Context, document io.Reader, count *ImportCount, batches chan<- []*entry) error {
	data, err := io.ReadAll(io.LimitReader(document, maxSourceIndex+1))
	if err != nil {
		return fmt.Errorf("read %s: %w", i.count.Location, err)
	}
	if len(data) > maxSourceIndex {
		return errs.New(errs.TooLarge, "%s has more than %d bytes.", i.count.Location, maxSourceIndex)
	}
	index, err := repodata.DecodeShardIndex(data)
	if err != nil {
		return err
	}
	if index.Info.Subdir != "" && index.Info.Subdir != i.subdir {
		return errs.New(errs.Invalid, "%s says that it is of %s.", i.count.Location, clip(index.Info.Subdir)).Because("subdir-differs")
	}
	folder, err := i.shardFolder(index.Info.ShardsBaseURL)
	if err != nil {
		return err
	}
	type fetched struct {
		name  string
		mark  mark
		files []repodata.ShardFile
	}
	shards := make(chan fetched, shardsAtOnce)
	enough, stop := context.WithCancel(ctx)
	defer stop()
	fetch, fetching := errgroup.WithContext(enough)
	fetch.SetLimit(shardsAtOnce)
	done := make(chan error, 1)
	go func() { // hands on what comes, in whatever order
		out := i.batcher(ctx, batches)
		var err error
		for s := range shards {
			if err == nil {
				err = i.entries(s.files, s.mark, count, out)
			}
			if err != nil {
				stop()
			}
		}
		if err == nil {
			err = out.flush()
		}
		done <- err
	}()
	for n, name := range index.Names {
		mark := markOf(name, index.Hashes[n][:])
		if files := i.marks.known(func() string { return packageName(name) }, mark); files > 0 {
			count.Kept += files
			continue
		}
		if fetching.Err() != nil {
			break
		}
		fetch.Go(func() error {
			files, err := i.shard(path.Join(folder, repodata.ShardFileName(index.Hashes[n])), index.Hashes[n])
			if err != nil {
				return err
			}
			select {
			case shards <- fetched{name, mark, files}:
				return nil
			case <-fetching.Done():
				return fetching.Err()
			}
		})
	}
	err = fetch.Wait()
	close(shards)
	if after := <-done; after != nil && !errors.Is(after, context.Canceled) || err == nil {
		err = after // it is what stopped the others
	}
	return err
}

// shardFolder gives where the shards of a source lie, below its root. They may not
// lie elsewhere: an index must not lead an import to other hosts or files.
func (i *importer) shardFolder(base string) (string, error) {
	u, err := url.Parse(base)
	if err != nil || u.IsAbs() || u.Host != "" || strings.HasPrefix(u.Path, "/") || u.RawQuery != "" {
		return "", errs.New(errs.Invalid, "%s names shards outside of its channel (%s), which is not followed. Import from repodata.json.zst.", i.count.Location, clip(base))
	}
	folder := path.Join(i.subdir, u.Path)
	if folder == ".." || strings.HasPrefix(folder, "../") {
		return "", errs.New(errs.Invalid, "%s names shards outside of its channel (%s).", i.count.Location, clip(base))
	}
	return folder, nil
}

// shard fetches one shard, which must be the one that the index names.
func (i *importer) shard(name string, want [32]byte) ([]repodata.ShardFile, error) {
	f, err := i.src.Files.Open(name)
	if err != nil {
		return nil, errs.Wrap(errs.Unavailable, err, "The shard %s cannot be had.", name)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, repodata.MaxShard+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if got := sha256.Sum256(data); got != want {
		return nil, errs.New(errs.Unavailable, "The shard %s has other bytes than its index says.", name)
	}
	shard, err := repodata.DecodeShard(data)
	return shard.Files, err
}

// entries hands on the records of a shard. Its mark counts once all of them are
// here.
func (i *importer) entries(files []repodata.ShardFile, is mark, count *ImportCount, out *batcher) error {
	whole := &shardMark{mark: is, files: len(files), left: len(files)}
	for _, f := range files {
		e, err := i.entry(f.FileName, func() (record, error) {
			rec, encoded, err := repodata.TranscodeMsgpack(f.FileName, f.Msgpack)
			return record{rec, encoded}, err
		})
		if err != nil {
			count.leaveOut(f.FileName, err)
			continue // so the mark never counts, and it is looked at again
		}
		e.shard = whole
		if err := out.add(e); err != nil {
			return err
		}
	}
	return nil
}

// shardMark is the mark of a shard some of whose records are still to be taken.
type shardMark struct {
	mark        mark
	files, left int
}

// batcher gathers entries and sends them on in batches.
type batcher struct {
	ctx     context.Context //nolint:containedctx // of the one read that it serves
	batches chan<- []*entry
	batch   []*entry

	most     int   // records of a batch
	archives bool  // are fetched, too
	records  int64 // bytes of the records of the batch
	fetched  int64 // bytes of its archives
}

// Beside their number, what a batch holds in memory is bounded, and, with archives,
// what is fetched again after an interruption, and how long bytes lie in the store
// before a row names them.
const (
	batchRecords  = 16 << 20 // bytes
	batchArchives = 32
	batchFetched  = 64 << 20 // bytes
)

func (i *importer) batcher(ctx context.Context, batches chan<- []*entry) *batcher {
	b := &batcher{ctx: ctx, batches: batches, most: importBatch, archives: !i.src.MetadataOnly}
	if b.archives {
		b.most = batchArchives
	}
	return b
}

func (b *batcher) add(e *entry) error {
	if b.batch == nil {
		b.batch = make([]*entry, 0, b.most)
	}
	b.batch = append(b.batch, e)
	b.records += int64(len(e.encoded.JSON) + len(e.encoded.Msgpack) + len(e.encoded.RunExports) + len(e.attrs))
	if b.archives {
		b.fetched += min(e.record.Size, batchFetched) // whatever a document claims
	}
	if len(b.batch) < b.most && b.records < batchRecords && b.fetched < batchFetched {
		return nil
	}
	return b.flush()
}

func (b *batcher) flush() error {
	if len(b.batch) == 0 {
		return nil
	}
	select {
	case b.batches <- b.batch:
		b.batch, b.records, b.fetched = nil, 0, 0
		return nil
	case <-b.ctx.Done(): // the writer has failed, and says why
		return b.ctx.Err()
	}
}
