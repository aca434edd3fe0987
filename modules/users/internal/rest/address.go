package rest

import (
	"context"
	"net/http"

	"stoa/modules/users"
	"stoa/platform/errs"
	"stoa/platform/web"
)

// addressBody is an address as it is written: all of it, each time.
type addressBody struct {
	Name       string `json:"name" minLength:"1" maxLength:"200"`
	Line1      string `json:"line1" minLength:"1" maxLength:"200"`
	Line2      string `json:"line2,omitempty" maxLength:"200"`
	City       string `json:"city" minLength:"1" maxLength:"100"`
	Region     string `json:"region,omitempty" maxLength:"100"`
	PostalCode string `json:"postal_code,omitempty" maxLength:"20"`
	Country    string `json:"country" minLength:"2" maxLength:"2" example:"GR" doc:"ISO 3166-1 alpha-2."`
	Phone      string `json:"phone,omitempty" maxLength:"40"`
	IsDefault  bool   `json:"is_default,omitempty" doc:"Of an account's addresses, at most one is; this one then takes it from another."`
}

func (b addressBody) address(id string) users.Address {
	return users.Address{
		ID: id, Name: b.Name, Line1: b.Line1, Line2: b.Line2, City: b.City, Region: b.Region,
		PostalCode: b.PostalCode, Country: b.Country, Phone: b.Phone, IsDefault: b.IsDefault,
	}
}

type addAddress struct {
	Body addressBody
}

type replaceAddress struct {
	ID   string `path:"id"`
	Body addressBody
}

type oneAddress struct {
	ID string `path:"id"`
}

type listAddresses struct {
	web.Page
}

type addressAnswer struct {
	Location string `header:"Location"`
	Body     users.Address
}

type addressList struct {
	Body web.List[users.Address]
}

func (h routes) registerAddresses() {
	web.Register(h.router, web.Operation{
		ID: "list-addresses", Method: http.MethodGet, Path: "/users/me/addresses", Access: web.SignedIn, Summary: "One's addresses",
	}, h.listAddresses)
	web.Register(h.router, web.Operation{
		ID: "add-address", Method: http.MethodPost, Path: "/users/me/addresses", Access: web.SignedIn, Status: http.StatusCreated,
		Summary: "Add an address", Errors: []*errs.Error{users.ErrAddressLimit},
	}, h.addAddress)
	web.Register(h.router, web.Operation{
		ID: "get-address", Method: http.MethodGet, Path: "/users/me/addresses/{id}", Access: web.SignedIn,
		Summary: "One of one's addresses", Errors: []*errs.Error{users.ErrAddressNotFound},
	}, h.getAddress)
	web.Register(h.router, web.Operation{
		ID: "replace-address", Method: http.MethodPut, Path: "/users/me/addresses/{id}", Access: web.SignedIn,
		Summary: "Replace an address", Errors: []*errs.Error{users.ErrAddressNotFound},
	}, h.replaceAddress)
	web.Register(h.router, web.Operation{
		ID: "delete-address", Method: http.MethodDelete, Path: "/users/me/addresses/{id}", Access: web.SignedIn, Status: http.StatusNoContent,
		Summary: "Delete an address", Errors: []*errs.Error{users.ErrAddressNotFound},
	}, h.deleteAddress)
}

func (h routes) listAddresses(ctx context.Context, in *listAddresses) (*addressList, error) {
	userID := caller(ctx).UserID
	cursors := h.router.Cursors("addresses", userID)
	var after string
	if err := cursors.Decode(in.Cursor, &after); err != nil {
		return nil, err
	}
	list, more, err := h.service.ListAddresses(ctx, userID, after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &addressList{}
	out.Body.Items = list
	if more {
		out.Body.NextCursor = cursors.Encode(list[len(list)-1].ID)
	}
	return out, nil
}

func (h routes) addAddress(ctx context.Context, in *addAddress) (*addressAnswer, error) {
	a, err := h.service.AddAddress(ctx, caller(ctx).UserID, in.Body.address(""))
	if err != nil {
		return nil, err
	}
	return &addressAnswer{Location: web.Base + "/users/me/addresses/" + a.ID, Body: a}, nil
}

func (h routes) getAddress(ctx context.Context, in *oneAddress) (*addressAnswer, error) {
	a, err := h.service.GetAddress(ctx, users.GetAddressRequest{UserID: caller(ctx).UserID, AddressID: in.ID})
	if err != nil {
		return nil, err
	}
	return &addressAnswer{Body: a}, nil
}

func (h routes) replaceAddress(ctx context.Context, in *replaceAddress) (*addressAnswer, error) {
	a, err := h.service.ReplaceAddress(ctx, caller(ctx).UserID, in.Body.address(in.ID))
	if err != nil {
		return nil, err
	}
	return &addressAnswer{Body: a}, nil
}

func (h routes) deleteAddress(ctx context.Context, in *oneAddress) (*struct{}, error) {
	return nil, h.service.DeleteAddress(ctx, caller(ctx).UserID, in.ID)
}
