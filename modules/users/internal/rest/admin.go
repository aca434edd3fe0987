package rest

import (
	"context"
	"net/http"

	"stoa/modules/users"
	"stoa/modules/users/internal/service"
	"stoa/platform/errs"
	"stoa/platform/web"
)

type listUsers struct {
	web.Page
	Query  string `query:"q" maxLength:"200" doc:"Words, each the beginning of a word of e-mail address or name; one with an @ is the beginning of an address."`
	Role   string `query:"role" enum:"customer,staff,admin"`
	Status string `query:"status" enum:"active,disabled"`
}

type userList struct {
	Body web.List[users.User]
}

type oneUser struct {
	ID string `path:"id"`
}

type updateUser struct {
	web.IfMatch
	ID   string `path:"id"`
	Body struct {
		Name   web.Optional[string]   `json:"name,omitzero" minLength:"1" maxLength:"200"`
		Status web.Optional[string]   `json:"status,omitzero" enum:"active,disabled"`
		Roles  web.Optional[[]string] `json:"roles,omitzero" maxItems:"3" doc:"Of customer, staff and admin; customer is everyone, named or not."`
	}
}

type deleteUser struct {
	web.IfMatch
	ID string `path:"id"`
}

func (h routes) registerAdmin() {
	web.Register(h.router, web.Operation{
		ID: "list-users", Method: http.MethodGet, Path: "/users", Access: web.Admin, Summary: "Accounts, the newest first",
	}, h.listUsers)
	web.Register(h.router, web.Operation{
		ID: "get-user", Method: http.MethodGet, Path: "/users/{id}", Access: web.Admin,
		Summary: "An account", Errors: []*errs.Error{users.ErrUserNotFound},
	}, h.getUser)
	web.Register(h.router, web.Operation{
		ID: "update-user", Method: http.MethodPatch, Path: "/users/{id}", Access: web.Admin,
		Summary:     "Change an account",
		Description: "A JSON Merge Patch (RFC 7396). Other roles hold at once, also for access tokens issued before; who is disabled is signed out everywhere.",
		Errors:      []*errs.Error{users.ErrUserNotFound, users.ErrLastAdmin},
	}, h.updateUser)
	web.Register(h.router, web.Operation{
		ID: "delete-user", Method: http.MethodDelete, Path: "/users/{id}", Access: web.Admin, Status: http.StatusNoContent,
		Summary: "Delete an account", Description: "Erases what is known of the person, ends every session and frees the e-mail address.",
		Errors: []*errs.Error{users.ErrUserNotFound, users.ErrLastAdmin},
	}, h.deleteUser)
}

func (h routes) listUsers(ctx context.Context, in *listUsers) (*userList, error) {
	cursors := h.router.Cursors("users", in.Query, in.Role, in.Status)
	var after string
	if err := cursors.Decode(in.Cursor, &after); err != nil {
		return nil, err
	}
	list, more, err := h.service.ListUsers(ctx, service.ListUsersRequest{
		Query: in.Query, Role: in.Role, Status: in.Status, After: after, Limit: in.Limit,
	})
	if err != nil {
		return nil, err
	}
	out := &userList{}
	out.Body.Items = list
	if more {
		out.Body.NextCursor = cursors.Encode(list[len(list)-1].ID)
	}
	return out, nil
}

func (h routes) getUser(ctx context.Context, in *oneUser) (*accountAnswer, error) {
	return answer(h.service.GetUser(ctx, in.ID))
}

func (h routes) updateUser(ctx context.Context, in *updateUser) (*accountAnswer, error) {
	r := service.UpdateUserRequest{ID: in.ID, Check: in.Check}
	var err error
	if r.Name, err = text("body.name", in.Body.Name); err != nil {
		return nil, err
	}
	if r.Status, err = text("body.status", in.Body.Status); err != nil {
		return nil, err
	}
	switch roles := in.Body.Roles; {
	case roles.Null:
		return nil, errs.ErrInvalid.Field("body.roles", "must not be null")
	case roles.Set:
		r.Roles = append([]string{users.RoleCustomer}, roles.Value...)
	}
	return answer(h.service.UpdateUser(ctx, r))
}

func (h routes) deleteUser(ctx context.Context, in *deleteUser) (*struct{}, error) {
	return nil, h.service.DeleteUser(ctx, service.DeleteUserRequest{ID: in.ID, Check: in.Check})
}
