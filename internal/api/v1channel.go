package api

import (
	"context"
	"net/http"
	"time"

	"terrarium/internal/access"
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
	Source      string    `json:"source,omitempty"`
	Generation  int64     `json:"generation" doc:"Grows with every change of the index."`
	FrozenAt    *int64    `json:"frozen_at,omitempty" doc:"The generation served while frozen."`
	Files       *int      `json:"files,omitempty" doc:"Only in lists: how many the caller may read."`
	CreatedAt   time.Time `json:"created_at"`
	URL         string    `json:"url" doc:"Give it to conda as a channel."`
}

func (v *v1) channel(c registry.Channel) v1Channel {
	return v1Channel{
		Owner: c.OwnerName, Name: c.Name, Kind: c.Kind, Visibility: c.Visibility, Locked: c.Locked, Replace: c.ReplaceRule,
		Description: c.Description, Source: c.Source, Generation: c.Generation, FrozenAt: c.FrozenAt, CreatedAt: c.CreatedAt,
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
				d := v.channel(c.Channel)
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
			}
		},
		) (*made[v1Channel], error) {
			c, err := reg.CreateChannel(ctx, actor, in.Body.Owner, registry.NewChannel{
				Name: in.Body.Name, Visibility: in.Body.Visibility, ReplaceRule: in.Body.Replace, Description: in.Body.Description,
			})
			if err != nil {
				return nil, err
			}
			return &made[v1Channel]{v.at("channels", c.OwnerName, c.Name), v.channel(c)}, nil
		})
	handle(v, operation{verdict{web.Reader, true}, "get-channel", http.MethodGet, path, "Show a channel", "channels", 200, false},
		func(ctx context.Context, actor access.Actor, in *ChannelPath) (*one[v1Channel], error) {
			c, err := reg.Channel(ctx, actor, in.Owner, in.Channel)
			if err != nil {
				return nil, err
			}
			return &one[v1Channel]{v.channel(c)}, nil
		})
	handle(v, operation{verdict{web.Admin, false}, "update-channel", http.MethodPatch, path, "Change, lock or freeze a channel", "channels", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			ChannelPath
			Body struct {
				Visibility  *string `json:"visibility,omitempty" enum:"public,authenticated,internal,private"`
				Replace     *string `json:"replace,omitempty" enum:"always,within 72h,never"`
				Description *string `json:"description,omitempty"`
				Locked      *bool   `json:"locked,omitempty"`
				Frozen      *bool   `json:"frozen,omitempty" doc:"Serve the present generation while uploads go on."`
			}
		},
		) (*one[v1Channel], error) {
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
				if err := freeze(ctx, reg, actor, in.Owner, in.Channel, *in.Body.Frozen); err != nil {
					return nil, err
				}
			}
			c, err := reg.Channel(ctx, actor, in.Owner, in.Channel)
			if err != nil {
				return nil, err
			}
			return &one[v1Channel]{v.channel(c)}, nil
		})
}

// freeze makes the channel serve its present generation, or the newest again.
func freeze(ctx context.Context, reg *registry.Registry, actor access.Actor, owner, channel string, frozen bool) error {
	var err error
	if frozen {
		_, err = reg.FreezeChannel(ctx, actor, owner, channel, 0)
	} else {
		_, err = reg.ThawChannel(ctx, actor, owner, channel)
	}
	return err
}
