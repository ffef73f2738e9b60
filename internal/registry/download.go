package registry

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/sqldb"
)

// Day is the number of downloads of one UTC day.
type Day struct {
	Day   string // "2026-11-21"
	Count int64
}

// Stats are the numbers on the first page, as far as the caller may know them.
type Stats struct {
	Packages  int
	Channels  int
	Files     int
	Downloads int64
}

// flushEvery is how long a download is counted in memory alone.
const flushEvery = time.Second

// counter gathers downloads, so that a busy mirror does not write a row a file.
type counter struct {
	mu      sync.Mutex
	counts  map[countKey]int64
	waiting *time.Timer
}

type countKey struct{ fileID, packageID, day string }

// CountDownload counts one download of a file. It only writes to memory; rows
// follow within a second. A crash in between loses those counts and nothing else.
func (r *Registry) CountDownload(f File) {
	r.counter.mu.Lock()
	defer r.counter.mu.Unlock()
	if r.counter.counts == nil {
		r.counter.counts = map[countKey]int64{}
	}
	r.counter.counts[countKey{f.ID, f.PackageID, r.now().Format(time.DateOnly)}]++
	if r.counter.waiting == nil {
		r.counter.waiting = time.AfterFunc(flushEvery, func() {
			if err := r.FlushDownloads(context.Background()); err != nil {
				r.opts.Log.Error("counting downloads failed; they are tried again", "err", err)
			}
		})
	}
}

// FlushDownloads writes the counts that are still in memory. Counts that cannot
// be written are kept for the next time.
func (r *Registry) FlushDownloads(ctx context.Context) error {
	r.counter.mu.Lock()
	counts := r.counter.counts
	r.counter.counts = nil
	if r.counter.waiting != nil {
		r.counter.waiting.Stop()
		r.counter.waiting = nil
	}
	r.counter.mu.Unlock()
	if len(counts) == 0 {
		return nil
	}
	err := r.db.Tx(ctx, func(tx *sqldb.DB) error {
		// In the order of ids, so that two replicas do not wait for each other.
		keys := slices.SortedFunc(maps.Keys(counts), func(a, b countKey) int {
			return cmp.Or(strings.Compare(a.fileID, b.fileID), strings.Compare(a.day, b.day))
		})
		files := make([]string, len(keys))
		for i, k := range keys {
			files[i] = k.fileID
		}
		closed, err := unseen(ctx, tx, files)
		if err != nil {
			return err
		}
		packages := map[string]int64{}
		for _, k := range keys {
			n, err := tx.Exec(ctx, "UPDATE file_rows SET downloads = downloads + $2 WHERE id = $1", k.fileID, counts[k])
			if err != nil {
				return err
			}
			if n == 0 {
				continue // swept meanwhile
			}
			if !closed[k.fileID] {
				packages[k.packageID] += counts[k]
			}
			_, err = tx.Exec(ctx, `INSERT INTO download_days (file_id, day, count) VALUES ($1, $2, $3)
				ON CONFLICT (file_id, day) DO UPDATE SET count = download_days.count + excluded.count`, k.fileID, k.day, counts[k])
			if err != nil {
				return err
			}
		}
		for _, id := range slices.Sorted(maps.Keys(packages)) {
			if _, err := tx.Exec(ctx, "UPDATE package_rows SET downloads = downloads + $2 WHERE id = $1", id, packages[id]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		r.counter.mu.Lock()
		defer r.counter.mu.Unlock()
		if r.counter.counts == nil {
			r.counter.counts = map[countKey]int64{}
		}
		for k, n := range counts {
			r.counter.counts[k] += n
		}
		return fmt.Errorf("write download counts: %w", err)
	}
	return nil
}

// maxDays bounds a series of downloads.
const maxDays = 731

// Downloads is the series of downloads of a package over the last days, today
// included, oldest first, days without any as 0. Files in channels closed to the
// caller do not count.
func (r *Registry) Downloads(ctx context.Context, actor access.Actor, owner, pkg string, days int) ([]Day, error) {
	p, err := loadPackage(ctx, r.db, actor, access.Read, owner, pkg)
	if err != nil {
		return nil, err
	}
	days = max(1, min(days, maxDays))
	now := r.now()
	series := make([]Day, days)
	index := map[string]int{}
	for i := range series {
		series[i].Day = now.AddDate(0, 0, i-days+1).Format(time.DateOnly)
		index[series[i].Day] = i
	}
	args := parameters{p.ID, series[0].Day}
	seen := " AND NOT " + access.ClosedOnce(actor, args.add, r.db, "f")
	err = r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var d Day
		if err := rows.Scan(&d.Day, &d.Count); err != nil {
			return err
		}
		if i, ok := index[d.Day]; ok {
			series[i].Count = d.Count
		}
		return nil
	}, `SELECT d.day, CAST(sum(d.count) AS BIGINT) FROM download_days d JOIN files f ON f.id = d.file_id
		WHERE f.package_id = $1 AND d.day >= $2`+seen+" GROUP BY d.day", args...)
	if err != nil {
		return nil, fmt.Errorf("read the downloads of %s: %w", p.FullName(), err)
	}
	return series, nil
}

// Stats counts what the caller may read: packages, channels, files, downloads.
func (r *Registry) Stats(ctx context.Context, actor access.Actor) (Stats, error) {
	var s Stats
	c := r.readable(actor)
	if err := c.see(ctx, r.db, actor, ""); err != nil {
		return Stats{}, err
	}
	err := r.db.Row(ctx, "SELECT count(*), CAST(coalesce(sum("+c.column("downloads")+"), 0) AS BIGINT)"+c.from()+c.text(), c.args...).Scan(&s.Packages, &s.Downloads)
	if err != nil {
		return Stats{}, fmt.Errorf("count packages: %w", err)
	}
	c.where = append(c.where, "f.deleted_at IS NULL", "NOT "+access.ClosedFiles(actor, c.arg, r.db, "f"))
	err = r.db.Row(ctx, "SELECT count(*)"+c.from()+" JOIN files f ON f.package_id = p.id"+c.text(), c.args...).Scan(&s.Files)
	if err != nil {
		return Stats{}, fmt.Errorf("count files: %w", err)
	}
	// Channels have no rule in SQL; those that are not public are few.
	closed, err := sqldb.All(ctx, r.db, scanChannel, channelColumns+" WHERE (c.visibility <> 'public' OR "+snapshotOfClosed+") AND o.deleted_at IS NULL")
	if err != nil {
		return Stats{}, fmt.Errorf("list channels: %w", err)
	}
	if closed, err = readableChannels(ctx, r.db, actor, closed); err != nil {
		return Stats{}, err
	}
	s.Channels = len(closed)
	var public int
	err = r.db.Row(ctx, "SELECT count(*) FROM channels c JOIN owners o ON o.id = c.owner_id WHERE c.visibility = 'public' AND o.deleted_at IS NULL AND NOT "+snapshotOfClosed).Scan(&public)
	if err != nil {
		return Stats{}, fmt.Errorf("count channels: %w", err)
	}
	s.Channels += public
	return s, nil
}
