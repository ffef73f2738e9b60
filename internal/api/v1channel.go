package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/web"
)

// v1Channel is a channel.
type v1Channel struct {
	Owner       string    `json:"owner"`
	Name        string    `json:"name"`
	Kind        string    `json:"kind" enum:"local,mirror,proxy,virtual,snapshot"`
	Visibility  string    `json:"visibility" enum:"public,authenticated,internal,private"`
	Locked      bool      `json:"locked" doc:"No file may come or go."`
	Replace     string    `json:"replace" enum:"always,within 72h,never" doc:"When a file name may get other bytes."`
	Description string    `json:"description"`
	Source      string    `json:"source,omitempty" doc:"Where it was imported from, a folder of the server only for those who administer the channel; of a snapshot the OWNER/CHANNEL that it shows."`
	Generation  int64     `json:"generation" doc:"Grows with every change of the index; of a snapshot the one that it shows."`
	FrozenAt    *int64    `json:"frozen_at,omitempty" doc:"The generation served while frozen."`
	Files       *int      `json:"files,omitempty" doc:"Only in lists: how many the caller may read."`
	CreatedAt   time.Time `json:"created_at"`
	URL         string    `json:"url" doc:"Give it to conda as a channel."`
}

func (v *v1) channel(actor access.Actor, c registry.Channel) v1Channel {
	return v1Channel{
		Owner: c.OwnerName, Name: c.Name, Kind: c.Kind, Visibility: c.Visibility, Locked: c.Locked, Replace: c.ReplaceRule,
		Description: c.Description, Source: c.SourceFor(actor), Generation: c.Generation, FrozenAt: c.FrozenAt, CreatedAt: c.CreatedAt,
		URL: v.face.url + "/conda/" + escape(c.OwnerName, c.Name),
	}
}

// ChannelPath is the path of a channel.
type ChannelPath struct {
	Owner   string `path:"owner"`
	Channel string `path:"channel"`
}

func (v *v1) channels() {
	reg, path := v.face.registry, "/channels/{owner}/{channel}"
	handle(v, operation{verdict{web.Reader, true}, "list-channels", http.MethodGet, "/channels", "List the channels of an owner", "channels", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Paging
			Owner string `query:"owner" required:"true"`
		},
		) (*list[v1Channel], error) {
			all, err := reg.Channels(ctx, actor, in.Owner)
			if err != nil {
				return nil, err
			}
			return slice(ctx, all, in.Paging, func(c registry.ChannelInfo) string { return c.Name }, func(c registry.ChannelInfo) v1Channel {
				d := v.channel(actor, c.Channel)
				d.Files = &c.Files
				return d
			}), nil
		})
	handle(v, operation{verdict{web.Admin, false}, "create-channel", http.MethodPost, "/channels", "Make a channel", "channels", 201, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Body struct {
				Owner       string `json:"owner"`
				Name        string `json:"name"`
				Visibility  string `json:"visibility,omitempty" enum:"public,authenticated,internal,private" doc:"Without it, that of the owner's main."`
				Replace     string `json:"replace,omitempty" enum:"always,within 72h,never"`
				Description string `json:"description,omitempty"`
				Kind        string `json:"kind,omitempty" enum:"local,snapshot" doc:"A snapshot shows one generation of source for ever. Default: local."`
				Source      string `json:"source,omitempty" doc:"Only for a snapshot: the OWNER/CHANNEL that it shows."`
				At          string `json:"at,omitempty" doc:"Only for a snapshot: a generation, a date such as 2026-11-21, or a time; without it, what the channel serves now."`
			}
		},
		) (*made[v1Channel], error) {
			if in.Body.Kind == "snapshot" {
				from, channel, _ := strings.Cut(in.Body.Source, "/")
				c, err := reg.CreateSnapshot(ctx, actor, in.Body.Owner, registry.NewSnapshot{
					Name: in.Body.Name, Owner: from, Channel: channel, At: in.Body.At, Visibility: in.Body.Visibility, Description: in.Body.Description,
				})
				if err != nil {
					return nil, err
				}
				return &made[v1Channel]{v.at("channels", c.OwnerName, c.Name), v.channel(actor, c)}, nil
			}
			if in.Body.Source != "" || in.Body.At != "" {
				return nil, errs.New(errs.Invalid, "Only a snapshot has a source and a generation: say \"kind\": \"snapshot\".").On("kind")
			}
			c, err := reg.CreateChannel(ctx, actor, in.Body.Owner, registry.NewChannel{
				Name: in.Body.Name, Visibility: in.Body.Visibility, ReplaceRule: in.Body.Replace, Description: in.Body.Description,
			})
			if err != nil {
				return nil, err
			}
			return &made[v1Channel]{v.at("channels", c.OwnerName, c.Name), v.channel(actor, c)}, nil
		})
	handle(v, operation{verdict{web.Reader, true}, "get-channel", http.MethodGet, path, "Show a channel", "channels", 200, false},
		func(ctx context.Context, actor access.Actor, in *ChannelPath) (*one[v1Channel], error) {
			c, err := reg.Channel(ctx, actor, in.Owner, in.Channel)
			if err != nil {
				return nil, err
			}
			return &one[v1Channel]{v.channel(actor, c)}, nil
		})
	handle(v, operation{verdict{web.Admin, false}, "update-channel", http.MethodPatch, path, "Change, lock or freeze a channel", "channels", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			ChannelPath
			Body struct {
				Visibility  *string `json:"visibility,omitempty" enum:"public,authenticated,internal,private"`
				Replace     *string `json:"replace,omitempty" enum:"always,within 72h,never"`
				Description *string `json:"description,omitempty"`
				Locked      *bool   `json:"locked,omitempty"`
				Frozen      *bool   `json:"frozen,omitempty" doc:"Serve one generation while uploads go on."`
				FrozenAt    string  `json:"frozen_at,omitempty" doc:"With frozen: a generation, a date or a time; without it, the present one."`
			}
		},
		) (*one[v1Channel], error) {
			if in.Body.FrozenAt != "" && (in.Body.Frozen == nil || !*in.Body.Frozen) {
				return nil, errs.New(errs.Invalid, "frozen_at goes with \"frozen\": true.").On("frozen_at")
			}
			_, err := reg.UpdateChannel(ctx, actor, in.Owner, in.Channel, registry.ChannelUpdate{
				Visibility: in.Body.Visibility, ReplaceRule: in.Body.Replace, Description: in.Body.Description,
			})
			if err != nil {
				return nil, err
			}
			if in.Body.Locked != nil {
				change := reg.UnlockChannel
				if *in.Body.Locked {
					change = reg.LockChannel
				}
				if err := change(ctx, actor, in.Owner, in.Channel); err != nil {
					return nil, err
				}
			}
			if in.Body.Frozen != nil {
				if err := freeze(ctx, reg, actor, in.ChannelPath, *in.Body.Frozen, in.Body.FrozenAt); err != nil {
					return nil, err
				}
			}
			c, err := reg.Channel(ctx, actor, in.Owner, in.Channel)
			if err != nil {
				return nil, err
			}
			return &one[v1Channel]{v.channel(actor, c)}, nil
		})
}

// freeze makes the channel serve one generation, the present one where at is "",
// or the newest again.
func freeze(ctx context.Context, reg *registry.Registry, actor access.Actor, at ChannelPath, frozen bool, spec string) error {
	if !frozen {
		_, err := reg.ThawChannel(ctx, actor, at.Owner, at.Channel)
		return err
	}
	_, err := reg.FreezeChannel(ctx, actor, at.Owner, at.Channel, spec)
	return err
}

// invalid makes what is not there a fault of a member of the request.
func invalid(err error, field string) error {
	if errs.Is(err, errs.NotFound) {
		return errs.New(errs.Invalid, "%s", errs.Message(err)).On(field)
	}
	return err
}
