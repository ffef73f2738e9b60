package app

import (
	"bytes"
	"context"

	"terrarium/internal/access"
	"terrarium/internal/registry"
	"terrarium/internal/sample"
)

// PublishSample publishes the sample channel through the ordinary path, unless
// the store has owners already; where it has the sample's, what is missing of
// it is published, so that an interrupted start ends well.
func (a *App) PublishSample(ctx context.Context) error {
	empty, err := a.Accounts.Empty(ctx, sample.Owner)
	if err != nil || !empty {
		return err
	}
	system := access.System()
	if err := a.Accounts.EnsureOrganization(ctx, sample.Owner, sample.Description); err != nil {
		return err
	}
	packages, err := sample.Packages()
	if err != nil {
		return err
	}
	for _, p := range packages {
		if _, _, err := a.Registry.Upload(ctx, system, registry.UploadRequest{
			Owner: sample.Owner, FileName: p.FileName, Body: bytes.NewReader(p.Bytes), Size: int64(len(p.Bytes)),
		}); err != nil {
			return err
		}
	}
	return nil
}
