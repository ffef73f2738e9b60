package api

import (
	"context"
	"net/http"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/web"
)

// V1Deleted is a user or an organisation that was deleted, or may be.
type V1Deleted struct {
	Name       string     `json:"name"`
	Kind       string     `json:"kind" enum:"user,organization"`
	DeletedAt  *time.Time `json:"deleted_at,omitempty" doc:"Absent where it is not deleted."`
	DeletedBy  string     `json:"deleted_by,omitempty"`
	ByOperator bool       `json:"by_operator" doc:"An operator deleted it, and only an operator can restore it."`
	ErasedFrom time.Time  `json:"erased_from" doc:"From then on it cannot be restored and everything is erased; where it is not deleted: if it were now."`
	NameFrom   time.Time  `json:"name_free_from" doc:"From then on somebody else may have the name."`
}

func newV1Deleted(d account.Deletion) V1Deleted {
	return V1Deleted{d.Name, d.Kind, d.DeletedAt, d.DeletedBy, d.ByOperator, d.ErasedFrom, d.NameFrom}
}

// v1Deletion says what goes with a user or an organisation.
type v1Deletion struct {
	V1Deleted
	Packages  int      `json:"packages"`
	Files     int      `json:"files"`
	Downloads int64    `json:"downloads_30_days"`
	Blocking  []string `json:"blocking" doc:"Organisations that would have no owner left: as long as there are some, the user cannot be deleted."`
}

// deletion tells what would go, or has gone.
func (f *Face) deletion(ctx context.Context, actor access.Actor, name, kind string) (*one[v1Deletion], error) {
	d, err := f.accounts.Deletion(ctx, actor, name)
	if err == nil && d.Kind != kind {
		err = access.Absent(access.Object{OwnerName: name})
	}
	if err != nil {
		return nil, err
	}
	var h registry.Holdings
	if h, err = f.registry.Holdings(ctx, d.ID); err != nil {
		return nil, err
	}
	return &one[v1Deletion]{v1Deletion{newV1Deleted(d), h.Packages, h.Files, h.Downloads, append([]string{}, d.Blocking...)}}, nil
}

// named is the path of an owner.
type named struct {
	Name string `path:"name"`
}

// confirmed is the path of an owner that is to be deleted.
type confirmed struct {
	Name    string `path:"name"`
	Confirm string `query:"confirm" doc:"The name again."`
}

// restored is the path of an organisation that is to be brought back.
type restored struct {
	Name  string `path:"name"`
	Owner string `query:"owner" doc:"A user who is to own it from now on; needed where its owners were deleted too."`
}

// ofKind refuses, as if it were absent, an owner of another kind.
func (f *Face) ofKind(ctx context.Context, actor access.Actor, name, kind string) error {
	d, err := f.accounts.Deletion(ctx, actor, name)
	if errs.Is(err, errs.NotFound) || err == nil && d.Kind != kind {
		return access.Absent(access.Object{OwnerName: name})
	}
	return err
}

func (v *v1) deletions() {
	accounts := v.face.accounts
	handle(v, operation{verdict{web.Person, false}, "list-deletions", http.MethodGet, "/deletions", "List what was deleted of mine and can be restored", "deletions", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct{ Paging }) (*list[V1Deleted], error) {
			all, err := accounts.Deleted(ctx, actor)
			if err != nil {
				return nil, err
			}
			return slice(ctx, all, in.Paging, func(d account.Deletion) string { return d.Name }, newV1Deleted), nil
		})
	for _, of := range []struct {
		kind, path, what string
		sees, may        web.Who
	}{
		{access.User, "/users/{name}", "user", web.Person, web.Operator},
		{access.Organization, "/organizations/{name}", "organization", web.Admin, web.Admin},
	} {
		handle(v, operation{verdict{of.sees, false}, "get-" + of.what + "-deletion", http.MethodGet, of.path + "/deletion", "Say what goes with the " + of.what + ", and until when its deletion can be undone", "deletions", 200, false},
			func(ctx context.Context, actor access.Actor, in *named) (*one[v1Deletion], error) {
				return v.face.deletion(ctx, actor, in.Name, of.kind)
			})
		handle(v, operation{verdict{of.may, false}, "delete-" + of.what, http.MethodDelete, of.path, "Delete the " + of.what + " with all that it has; for 7 days it can be restored", "deletions", 200, false},
			func(ctx context.Context, actor access.Actor, in *confirmed) (*one[V1Deleted], error) {
				if err := v.face.ofKind(ctx, actor, in.Name, of.kind); err != nil {
					return nil, err
				}
				d, err := accounts.DeleteOwner(ctx, actor, in.Name, in.Confirm)
				if err != nil {
					return nil, err
				}
				return &one[V1Deleted]{newV1Deleted(d)}, nil
			})
	}
	handle(v, operation{verdict{web.Operator, false}, "restore-user", http.MethodPost, "/users/{name}/restore", "Undo the deletion of the user", "deletions", 200, false},
		func(ctx context.Context, actor access.Actor, in *named) (*one[V1Owner], error) {
			return v.face.restore(ctx, actor, access.User, restored{Name: in.Name})
		})
	handle(v, operation{verdict{web.Admin, false}, "restore-organization", http.MethodPost, "/organizations/{name}/restore", "Undo the deletion of the organization", "deletions", 200, false},
		func(ctx context.Context, actor access.Actor, in *restored) (*one[V1Owner], error) {
			return v.face.restore(ctx, actor, access.Organization, *in)
		})
}

// restore brings an owner of a kind back.
func (f *Face) restore(ctx context.Context, actor access.Actor, kind string, in restored) (*one[V1Owner], error) {
	if err := f.ofKind(ctx, actor, in.Name, kind); err != nil {
		return nil, err
	}
	var o account.Owner
	var err error
	if in.Owner != "" {
		o, err = f.accounts.RestoreOrganization(ctx, actor, in.Name, in.Owner)
	} else {
		o, err = f.accounts.RestoreOwner(ctx, actor, in.Name)
	}
	if err != nil {
		return nil, err
	}
	return &one[V1Owner]{newV1Owner(o)}, nil
}
