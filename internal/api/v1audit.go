package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/web"
)

// v1Audit is one recorded change.
type v1Audit struct {
	ID         string          `json:"id"`
	At         time.Time       `json:"at"`
	Actor      string          `json:"actor"`
	Kind       string          `json:"actor_kind"`
	Credential string          `json:"credential"`
	Remote     string          `json:"remote,omitempty"`
	Request    string          `json:"request,omitempty"`
	Action     string          `json:"action"`
	ObjectKind string          `json:"object_kind"`
	ObjectID   string          `json:"object_id,omitempty"`
	Object     string          `json:"object"`
	Before     json.RawMessage `json:"before,omitempty"`
	After      json.RawMessage `json:"after,omitempty"`
}

func newV1Audit(r audit.Row) v1Audit {
	return v1Audit{
		ID: r.ID, At: r.At, Actor: r.ActorName, Kind: string(r.ActorKind), Credential: r.Credential, Remote: r.Remote, Request: r.RequestID,
		Action: r.Action, ObjectKind: r.ObjectKind, ObjectID: r.ObjectID, Object: r.ObjectName,
		Before: r.Before, After: r.After,
	}
}

func (v *v1) trail() {
	handle(v, operation{verdict{web.Admin, false}, "list-audit", http.MethodGet, "/audit", "List what was done, newest first", "audit", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Paging
			Owner  string `query:"owner" doc:"Without it, I; * is the whole instance, for operators."`
			Action string `query:"action" doc:"Such as token.revoke, or token. for all deeds on tokens."`
		},
		) (*list[v1Audit], error) {
			owner := orMe(in.Owner, actor)
			if owner == "*" {
				owner = ""
			}
			if actor.Anonymous() {
				return nil, errAnonymous()
			}
			rows, next, err := v.face.accounts.Trail(ctx, actor, owner, audit.Filter{Action: in.Action, After: in.After, Limit: in.Limit})
			if err != nil {
				return nil, err
			}
			return page(ctx, each(rows, newV1Audit), next), nil
		})
}
