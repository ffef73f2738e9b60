package api

import (
	"net/http"
	"strconv"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/web"
)

// maxNotices is how many notices a page holds.
const maxNotices = 1000

// noticeDocument is a notice as its administrators see it.
type noticeDocument struct {
	ID        string  `json:"id"`
	OwnerID   string  `json:"owner_id"`
	Message   string  `json:"message"`
	Level     string  `json:"level"`
	Status    string  `json:"status"`
	CreatedAt string  `json:"created_at"`
	UpdatedAt string  `json:"updated_at"`
	ExpiresAt *string `json:"expires_at"`
}

func newNoticeDocument(n registry.Notice) noticeDocument {
	const layout = "2006-01-02T15:04:05-07:00"
	d := noticeDocument{
		ID: n.ID, OwnerID: n.OwnerID, Message: n.Message, Level: n.Level, Status: n.Status,
		CreatedAt: n.CreatedAt.UTC().Format(layout), UpdatedAt: n.UpdatedAt.UTC().Format(layout),
	}
	if n.ExpiresAt != nil {
		s := n.ExpiresAt.UTC().Format(layout)
		d.ExpiresAt = &s
	}
	return d
}

func (f *Face) notices(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	q := r.URL.Query()
	offset, err := count(q.Get("offset"), 0, "offset")
	if err != nil {
		return err
	}
	limit, err := count(q.Get("limit"), 20, "limit")
	if err != nil {
		return err
	}
	list, err := f.registry.Notices(r.Context(), actor, web.Param(r, "owner"), q.Get("status"))
	if err != nil {
		return err
	}
	total := len(list)
	list = list[min(offset, total):]
	list = list[:min(limit, maxNotices, len(list))]
	return web.JSON(w, http.StatusOK, struct {
		Items []noticeDocument `json:"items"`
		Total int              `json:"total_count"`
	}{each(list, newNoticeDocument), total})
}

// count reads a number of things from a query.
func count(s string, otherwise int, name string) (int, error) {
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, errs.New(errs.Invalid, "%s must be a number, 0 or more.", name).On(name)
	}
	return n, nil
}

// noticeBody is what a client says about a notice.
type noticeBody struct {
	Message   *string    `json:"message"`
	Level     *string    `json:"level"`
	Status    *string    `json:"status"`
	ExpiresAt *time.Time `json:"expires_at"`
}

func (f *Face) createNotice(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	var body noticeBody
	if err := web.ReadJSON(r, maxBody, &body); err != nil {
		return err
	}
	n := registry.NewNotice{ExpiresAt: body.ExpiresAt}
	if body.Message != nil {
		n.Message = *body.Message
	}
	if body.Level != nil {
		n.Level = *body.Level
	}
	made, err := f.registry.CreateNotice(r.Context(), actor, web.Param(r, "owner"), n)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusCreated, newNoticeDocument(made))
}

func (f *Face) notice(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	n, err := f.registry.Notice(r.Context(), actor, web.Param(r, "owner"), web.Param(r, "id"))
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, newNoticeDocument(n))
}

func (f *Face) updateNotice(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	var body noticeBody
	if err := web.ReadJSON(r, maxBody, &body); err != nil {
		return err
	}
	return f.sendNotice(w, r, actor, registry.NoticeUpdate(body))
}

func (f *Face) publishNotice(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	return f.sendNotice(w, r, actor, registry.NoticeUpdate{Status: new(registry.NoticePublished)})
}

func (f *Face) archiveNotice(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	return f.sendNotice(w, r, actor, registry.NoticeUpdate{Status: new(registry.NoticeArchived)})
}

func (f *Face) sendNotice(w http.ResponseWriter, r *http.Request, actor access.Actor, u registry.NoticeUpdate) error {
	n, err := f.registry.UpdateNotice(r.Context(), actor, web.Param(r, "owner"), web.Param(r, "id"), u)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, newNoticeDocument(n))
}

func (f *Face) deleteNotice(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	u := registry.NoticeUpdate{Status: new(registry.NoticeDeleted)}
	if _, err := f.registry.UpdateNotice(r.Context(), actor, web.Param(r, "owner"), web.Param(r, "id"), u); err != nil {
		return err
	}
	return noContent(w)
}
