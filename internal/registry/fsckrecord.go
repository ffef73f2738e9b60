package registry

import (
	"bytes"
	"context"
	"fmt"

	"terrarium/internal/repodata"
	"terrarium/internal/sqldb"
)

// checkRecords finds records that are not of their files. What a channel says of a
// file may be other than what the file says (a hotfix), but not of another one,
// and its two encodings must be of one record.
func (r *Registry) checkRecords(ctx context.Context, report *Report) error {
	found := 0
	err := r.db.EachRow(ctx, func(rows *sqldb.Rows) error {
		var object string
		var file recordOf
		var text, packed []byte
		if err := rows.Scan(&object, &file.fileName, &file.version, &file.build, &file.sha256, &text, &packed); err != nil {
			return err
		}
		if file.has(text, packed) || found == maxFaults {
			return nil
		}
		found++
		report.Faults = append(report.Faults, Fault{"record-differs", object, "A record is not one of its file."})
		return nil
	}, `SELECT o.name || '/' || c.name || '/' || r.subdir || '/' || r.file_name, f.name, f.version, f.build, f.sha256, r.json, r.msgpack
		FROM records r JOIN channels c ON c.id = r.channel_id JOIN owners o ON o.id = c.owner_id JOIN file_rows f ON f.id = r.file_id
		WHERE (r.removed IS NULL OR r.removed > c.generation) AND (f.record_json IS NULL OR f.record_json <> r.json OR f.record_msgpack <> r.msgpack)`)
	if err != nil {
		return fmt.Errorf("check record-differs: %w", err)
	}
	return nil
}

// recordOf is what every record of a file says.
type recordOf struct{ fileName, version, build, sha256 string }

// has reports whether a record, in its two encodings, is one of the file. The one
// for shards has run exports, which the other has not.
func (f recordOf) has(text, packed []byte) bool {
	rec, e, err := repodata.TranscodeMsgpack(f.fileName, packed)
	if err != nil || rec.Version != f.version || rec.Build != f.build || rec.SHA256 != f.sha256 {
		return false
	}
	return bytes.Equal(e.JSON, text) && bytes.Equal(e.Msgpack, packed)
}
