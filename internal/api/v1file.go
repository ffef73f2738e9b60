package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/web"
)

// v1File is a file of a package.
type v1File struct {
	ID           string     `json:"id"`
	Owner        string     `json:"owner"`
	Package      string     `json:"package"`
	Version      string     `json:"version"`
	Type         string     `json:"type"`
	Subdir       string     `json:"subdir,omitempty"`
	Name         string     `json:"name"`
	Build        string     `json:"build,omitempty"`
	BuildNumber  int64      `json:"build_number"`
	Size         int64      `json:"size" doc:"Bytes."`
	MD5          string     `json:"md5,omitempty"`
	SHA256       string     `json:"sha256"`
	License      string     `json:"license,omitempty"`
	Channels     []string   `json:"channels" doc:"Those that list the file."`
	Private      bool       `json:"private"`
	Downloads    int64      `json:"downloads"`
	UploadedBy   string     `json:"uploaded_by,omitempty"`
	UploadedAt   time.Time  `json:"uploaded_at"`
	IndexedAt    time.Time  `json:"indexed_at" doc:"When this instance first saw it (CEP 47)."`
	WithdrawnAt  *time.Time `json:"withdrawn_at,omitempty" doc:"Out of the index since; its address still works."`
	WithdrawnWhy string     `json:"withdrawn_why,omitempty"`
	DeletedAt    *time.Time `json:"deleted_at,omitempty" doc:"In the trash since."`
	DeletedBy    string     `json:"deleted_by,omitempty"`
	URL          string     `json:"url" doc:"Where it can be downloaded."`
}

// v1File shows a file in the words of /api/v1.
func (f *Face) v1File(file registry.File) v1File {
	d := v1File{
		ID: file.ID, Owner: file.OwnerName, Package: file.PackageName, Version: file.Version, Type: file.Type, Subdir: file.Subdir,
		Name: file.Name, Build: file.Build, BuildNumber: file.BuildNumber, Size: file.Size, MD5: file.MD5, SHA256: file.SHA256,
		License: file.License, Channels: each(file.Labels, same), Private: file.Private, Downloads: file.Downloads,
		UploadedBy: file.UploadedBy, UploadedAt: file.UploadedAt, IndexedAt: file.IndexedAt,
		WithdrawnAt: file.WithdrawnAt, WithdrawnWhy: file.WithdrawnWhy, DeletedAt: file.DeletedAt, DeletedBy: file.DeletedBy,
		URL: f.url + "/api/download/" + escape(file.OwnerName, file.PackageName, file.Version, file.Basename),
	}
	if file.Subdir != "" && len(file.Labels) > 0 && file.DeletedAt == nil {
		at := []string{file.OwnerName}
		if !slices.Contains(file.Labels, "main") {
			at = append(at, file.Labels[0])
		}
		d.URL = f.url + "/conda/" + escape(append(at, file.Subdir, file.Name)...)
	}
	return d
}

// Placed is the path of a file in a channel.
type Placed struct {
	Owner   string `path:"owner"`
	Channel string `path:"channel"`
	Subdir  string `path:"subdir"`
	Name    string `path:"name"`
}

// placedFile finds a file by its place in a channel, under the rules of the
// API: what may not be read is not there. change says that the file is to be
// changed, which no snapshot allows.
func (f *Face) placedFile(ctx context.Context, actor access.Actor, p Placed, change bool) (registry.File, error) {
	c, err := f.registry.Channel(ctx, actor, p.Owner, p.Channel)
	if err != nil {
		return registry.File{}, err
	}
	if c.SourceID != "" {
		if change {
			return registry.File{}, c.TakesFiles()
		}
		return f.snapshotFile(ctx, actor, p)
	}
	// The channel was judged, the file is below; so nothing is hidden here.
	found, err := f.registry.FileAt(ctx, registry.Opened{Channel: c, Actor: actor}, p.Subdir, p.Name)
	if err == nil {
		found, err = f.registry.FileByID(ctx, actor, found.ID)
	}
	if errs.Is(err, errs.NotFound) || errs.Is(err, errs.Gone) {
		return registry.File{}, errs.New(errs.NotFound, "%s/%s has no %s/%s.", p.Owner, p.Channel, p.Subdir, p.Name)
	}
	return found, err
}

// snapshotFile is placedFile for a snapshot: the file need not be live any more.
func (f *Face) snapshotFile(ctx context.Context, actor access.Actor, p Placed) (registry.File, error) {
	open, err := f.registry.ReadChannel(ctx, actor, p.Owner, p.Channel)
	if err != nil {
		return registry.File{}, err
	}
	return f.registry.ServedFile(ctx, open, p.Subdir, p.Name)
}

func (v *v1) files() {
	reg, path := v.face.registry, "/files/{owner}/{channel}/{subdir}/{name}"
	handle(v, operation{verdict{web.Reader, true}, "get-file", http.MethodGet, path, "Show a file", "files", 200, false},
		func(ctx context.Context, actor access.Actor, in *Placed) (*one[v1File], error) {
			file, err := v.face.placedFile(ctx, actor, *in, false)
			if err != nil {
				return nil, err
			}
			return &one[v1File]{v.face.v1File(file)}, nil
		})
	handle(v, operation{verdict{web.Writer, false}, "update-file", http.MethodPatch, path, "Withdraw a file from every index, or put it back", "files", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Placed
			Body struct {
				Withdrawn bool   `json:"withdrawn"`
				Why       string `json:"why,omitempty"`
			}
		},
		) (*one[v1File], error) {
			file, err := v.face.placedFile(ctx, actor, in.Placed, true)
			if err != nil {
				return nil, err
			}
			if in.Body.Withdrawn {
				file, err = reg.Withdraw(ctx, actor, file.OwnerName, file.PackageName, file.Version, file.Basename, in.Body.Why)
			} else {
				file, err = reg.Unwithdraw(ctx, actor, file.OwnerName, file.PackageName, file.Version, file.Basename)
			}
			if err != nil {
				return nil, err
			}
			return &one[v1File]{v.face.v1File(file)}, nil
		})
	handle(v, operation{verdict{web.Writer, false}, "delete-file", http.MethodDelete, path, "Put a file into the trash", "files", 204, false},
		func(ctx context.Context, actor access.Actor, in *Placed) (*nothing, error) {
			file, err := v.face.placedFile(ctx, actor, *in, true)
			if err != nil {
				return nil, err
			}
			_, err = reg.DeleteFile(ctx, actor, file.OwnerName, file.PackageName, file.Version, file.Basename)
			return &nothing{}, err
		})
	handle(v, operation{verdict{web.Writer, true}, "list-trash", http.MethodGet, "/trash/{owner}", "List the deleted files that can be restored", "trash", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Paging
			Owner string `path:"owner"`
		},
		) (*list[v1File], error) {
			all, err := reg.Trash(ctx, actor, in.Owner)
			if err != nil {
				return nil, err
			}
			return slice(ctx, all, in.Paging, func(f registry.File) string { return f.ID }, v.face.v1File), nil
		})
	handle(v, operation{verdict{web.Writer, false}, "restore-file", http.MethodPost, "/trash/{owner}/{id}/restore", "Take a file out of the trash", "trash", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Owner string `path:"owner"`
			ID    string `path:"id"`
		},
		) (*one[v1File], error) {
			deleted, err := reg.Trash(ctx, actor, in.Owner)
			if err != nil {
				return nil, err
			}
			if !slices.ContainsFunc(deleted, func(f registry.File) bool { return f.ID == in.ID }) {
				return nil, errs.New(errs.NotFound, "The trash of %s has no file %s.", in.Owner, in.ID)
			}
			file, err := reg.RestoreFile(ctx, actor, in.ID)
			if err != nil {
				return nil, err
			}
			return &one[v1File]{v.face.v1File(file)}, nil
		})
}

func existsError(what, name string) error {
	return errs.New(errs.Exists, "%s %s is there already.", what, name)
}
