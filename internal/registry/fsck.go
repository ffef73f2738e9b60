package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"terrarium/internal/blob"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// Report is what Fsck found.
type Report struct {
	Files       int     // rows of files looked at, deleted ones too
	Records     int     // rows of records looked at
	Blobs       int     // in the store
	Faults      []Fault // what is wrong; none = clean
	Orphans     int     // blobs that no row names: no fault, GC sweeps them
	OrphanBytes int64
}

// Fault is one thing that is wrong.
type Fault struct {
	Kind   string // one of the words of Fsck
	Object string // OWNER/PACKAGE/VERSION/BASENAME or OWNER/CHANNEL/SUBDIR/FILE
	Detail string // a sentence
}

// check is a rule about rows: a query for what breaks it, giving the object.
type check struct{ kind, detail, query string }

// rowChecks are the rules that rows keep among themselves.
func rowChecks() []check {
	const recordName = "SELECT o.name || '/' || c.name || '/' || r.subdir || '/' || r.file_name FROM records r JOIN channels c ON c.id = r.channel_id JOIN owners o ON o.id = c.owner_id"
	const fileName = "SELECT o.name || '/' || p.name || '/' || f.version || '/' || f.basename FROM files f JOIN packages p ON p.id = f.package_id JOIN owners o ON o.id = f.owner_id"
	// Records of a large change that is under way belong to a generation to come.
	const current, listed = " AND r.added <= c.generation", " (r.removed IS NULL OR r.removed > c.generation)"
	return []check{
		{
			"record-without-file", "A record names a file that has no row.",
			recordName + " WHERE NOT EXISTS (SELECT 1 FROM files f WHERE f.id = r.file_id)" + current,
		},
		{
			"record-of-deleted-file", "The index lists a file that was deleted or withdrawn.",
			recordName + " JOIN files f ON f.id = r.file_id WHERE" + listed + " AND (f.deleted_at IS NOT NULL OR f.withdrawn_at IS NOT NULL)" + current,
		},
		{
			"record-without-label", "The index of a channel lists a file that is not in the channel.",
			recordName + " WHERE" + listed + " AND NOT EXISTS (SELECT 1 FROM file_channels fc WHERE fc.file_id = r.file_id AND fc.channel_id = r.channel_id)" + current,
		},
		{
			"record-twice", "The index of a channel lists a file name twice.",
			recordName + ` JOIN records t ON t.channel_id = r.channel_id AND t.subdir = r.subdir AND t.name = r.name AND t.file_name = r.file_name AND t.added < r.added
			WHERE (t.removed IS NULL OR t.removed > r.added)`,
		},
		{
			"record-interval", "A record ends before it begins, or in a generation to come.",
			recordName + " WHERE r.removed <= r.added OR r.removed > c.generation AND r.removed <> coalesce(c.reserved, 0)",
		},
		{
			"generation-unlogged", "A generation changed a record and is not in the log.",
			recordName + ` WHERE NOT EXISTS (SELECT 1 FROM generations g WHERE g.channel_id = r.channel_id AND g.number = r.added AND g.subdir = r.subdir)` + current,
		},
		{
			// A hotfix may have taken it out of the index; the label stays then.
			"file-not-listed", "A file is in a channel, and its index does not list it.",
			fileName + ` JOIN file_channels fc ON fc.file_id = f.id JOIN channels c ON c.id = fc.channel_id
			WHERE f.deleted_at IS NULL AND f.withdrawn_at IS NULL AND f.type = 'conda' AND f.record_json IS NOT NULL
			AND NOT EXISTS (SELECT 1 FROM records r WHERE r.file_id = f.id AND r.channel_id = fc.channel_id AND ` + liveRecord("r", "fc.channel_id") + `)
			AND NOT EXISTS (SELECT 1 FROM records r JOIN generations g ON g.channel_id = r.channel_id AND g.number = r.removed AND g.subdir = r.subdir
				WHERE r.file_id = f.id AND r.channel_id = fc.channel_id AND g.cause LIKE '%` + causePatch + `%'
				AND r.added = (SELECT max(l.added) FROM records l WHERE l.file_id = f.id AND l.channel_id = fc.channel_id AND l.added <= c.generation))`,
		},
		{
			"file-without-release", "A file belongs to a package or release that was deleted.",
			fileName + " JOIN releases r ON r.id = f.release_id WHERE f.deleted_at IS NULL AND (r.deleted_at IS NOT NULL OR p.deleted_at IS NOT NULL OR r.package_id <> f.package_id)",
		},
		{
			"label-of-deleted-file", "A deleted file is still in a channel.",
			fileName + " WHERE f.deleted_at IS NOT NULL AND EXISTS (SELECT 1 FROM file_channels fc WHERE fc.file_id = f.id)",
		},
	}
}

// maxFaults bounds what is reported of one kind; a store without its bytes would
// otherwise fill the memory.
const maxFaults = 1000

// Fsck compares files, records, channels and bytes. It finds blob-missing,
// blob-size, with digests (which reads every byte) blob-digest, and breaches of
// the rules of rows. It changes nothing. Orphaned bytes are counted and are no
// fault.
func (r *Registry) Fsck(ctx context.Context, digests bool) (Report, error) {
	var report Report
	if err := r.db.Row(ctx, "SELECT count(*) FROM records").Scan(&report.Records); err != nil {
		return report, fmt.Errorf("count records: %w", err)
	}
	for _, c := range rowChecks() {
		objects, err := sqldb.All(ctx, r.db, sqldb.Scalar[string], c.query+fmt.Sprintf(" LIMIT %d", maxFaults))
		if err != nil {
			return report, fmt.Errorf("check %s: %w", c.kind, err)
		}
		for _, o := range objects {
			report.Faults = append(report.Faults, Fault{c.kind, o, c.detail})
		}
	}
	if err := r.checkRecords(ctx, &report); err != nil {
		return report, err
	}
	sizes := map[blob.Key]int64{}
	err := r.blobs.List(ctx, func(key blob.Key, size int64, _ time.Time) error {
		sizes[key] = size
		return nil
	})
	if err != nil {
		return report, fmt.Errorf("list the blobs: %w", err)
	}
	report.Blobs = len(sizes)
	return report, r.checkBlobs(ctx, sizes, digests, &report)
}

// checkBlobs compares the rows of files with the bytes that are there.
func (r *Registry) checkBlobs(ctx context.Context, sizes map[blob.Key]int64, digests bool, report *Report) error {
	// Files that are being loaded are hidden and have bytes too.
	const everything = " FROM file_rows f JOIN package_rows p ON p.id = f.package_id JOIN owners o ON o.id = f.owner_id ORDER BY f.id"
	files, err := sqldb.All(ctx, r.db, scanFile, fileColumns+everything)
	if err != nil {
		return fmt.Errorf("list files: %w", err)
	}
	report.Files = len(files)
	named, read := map[blob.Key]bool{}, map[blob.Key]string{}
	fault := func(f File, kind, format string, args ...any) {
		report.Faults = append(report.Faults, Fault{kind, f.FullName(), fmt.Sprintf(format, args...)})
	}
	for _, f := range files {
		key := blob.Key(f.SHA256)
		if f.Stored || f.SourceURL != "" {
			named[key] = true
		}
		if !f.Stored {
			continue
		}
		size, there := sizes[key]
		switch {
		case !there:
			fault(f, "blob-missing", "There are no bytes with the SHA-256 %s.", f.SHA256)
		case size != f.Size:
			fault(f, "blob-size", "There are %d bytes and should be %d.", size, f.Size)
		case digests:
			got, known := read[key]
			if !known {
				if got, err = r.digest(ctx, key); err != nil {
					return err
				}
				read[key] = got
			}
			if got != f.SHA256 {
				fault(f, "blob-digest", "The bytes have the SHA-256 %s and should have %s.", got, f.SHA256)
			}
		}
	}
	staged, err := sqldb.All(ctx, r.db, sqldb.Scalar[string], "SELECT got_sha256 FROM uploads WHERE accepted IS NOT NULL")
	if err != nil {
		return fmt.Errorf("list staged uploads: %w", err)
	}
	for _, key := range staged {
		named[blob.Key(key)] = true
	}
	for key, size := range sizes {
		if !named[key] {
			report.Orphans++
			report.OrphanBytes += size
		}
	}
	return nil
}

// digest reads bytes and gives their SHA-256, "" where they went meanwhile.
func (r *Registry) digest(ctx context.Context, key blob.Key) (string, error) {
	reader, err := r.blobs.Open(ctx, key)
	if errs.Is(err, errs.NotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("open %s: %w", key, err)
	}
	defer reader.Close()
	h := sha256.New()
	if _, err := io.Copy(h, reader); err != nil {
		return "", fmt.Errorf("read %s: %w", key, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
