package registry

import (
	"context"
	"time"

	"terrarium/internal/blob"
)

// presignFor is how long an address of the store is good: long enough to begin
// a download, too short to hand around.
const presignFor = 5 * time.Minute

// Presign gives an address at which the blob store itself hands out the file,
// where it can do that; ok is false where it cannot or has no bytes yet.
func (r *Registry) Presign(ctx context.Context, f File) (address string, ok bool, err error) {
	if !f.Stored {
		return "", false, nil
	}
	return r.blobs.Presign(ctx, blob.Key(f.SHA256), blob.PresignOptions{
		Expires: presignFor, ContentDisposition: `attachment; filename="` + f.Name + `"`, ContentType: "application/octet-stream",
	})
}
