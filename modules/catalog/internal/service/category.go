package service

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/format"
	"stoa/modules/catalog/internal/store"
	"stoa/platform/db"
	"stoa/platform/errs"
)

const (
	// MaxCategoryDepth is how deep categories may be nested; 1 is the root.
	MaxCategoryDepth = 16
	// MaxCategoryName is how long a name may be, in characters.
	MaxCategoryName = 255
)

// NewCategory is what a category is made from. Without a slug it gets one made
// from its name.
type NewCategory struct {
	Slug, Name string
	ParentID   *string
}

// CategoryPatch is what changes of a category; what is nil stays.
type CategoryPatch struct {
	Slug, Name *string
	// Move tells that the parent changes: to ParentID, which is nil for the root.
	Move     bool
	ParentID *string
}

// ListCategories gives categories in the order of their paths: at most limit,
// those after a path.
func (s *Service) ListCategories(ctx context.Context, after string, limit int) ([]catalog.Category, error) {
	rows, err := store.ListCategories(ctx, s.db.Read(), after, limit)
	if err != nil {
		return nil, fmt.Errorf("list categories: %w", err)
	}
	list := make([]catalog.Category, len(rows))
	for i, c := range rows {
		list[i] = c.Category
	}
	return list, nil
}

// CreateCategory makes a category. Errors: catalog.ErrCategoryTaken,
// catalog.ErrCategoryTooDeep, errs.ErrInvalid.
func (s *Service) CreateCategory(ctx context.Context, n NewCategory) (catalog.Category, error) {
	c := store.Category{Category: catalog.Category{ID: s.clock.ID(), Slug: n.Slug, Name: n.Name}}
	if c.Slug == "" {
		c.Slug = format.Slug(n.Name)
	}
	if err := checkCategory(c.Category); err != nil {
		return catalog.Category{}, err
	}
	var made catalog.Category
	err := s.writeCategories(ctx, func(ctx context.Context, tx *db.Tx) error {
		c := c
		if err := place(ctx, tx, &c, n.ParentID); err != nil {
			return err
		}
		if err := freePath(ctx, tx, c); err != nil {
			return err
		}
		made = c.Category
		return store.InsertCategories(ctx, tx, []store.Category{c}, s.clock.Now())
	})
	if err != nil {
		return catalog.Category{}, fmt.Errorf("create category: %w", err)
	}
	return made, nil
}

// PatchCategory changes a category, or moves it with all that lies below it.
// Errors: catalog.ErrCategoryNotFound, catalog.ErrCategoryTaken,
// catalog.ErrCategoryCycle, catalog.ErrCategoryTooDeep, errs.ErrInvalid.
func (s *Service) PatchCategory(ctx context.Context, id string, patch CategoryPatch) (catalog.Category, error) {
	var changed catalog.Category
	err := s.writeCategories(ctx, func(ctx context.Context, tx *db.Tx) error {
		before, ok, err := store.GetCategory(ctx, tx, id)
		if err != nil {
			return err
		}
		if !ok {
			return catalog.ErrCategoryNotFound
		}
		after := before
		set(&after.Slug, patch.Slug)
		set(&after.Name, patch.Name)
		if err := checkCategory(after.Category); err != nil {
			return err
		}
		parent := before.ParentID
		if patch.Move {
			parent = patch.ParentID
		}
		if err := place(ctx, tx, &after, parent); err != nil {
			return err
		}
		if after.Path == before.Path && after.Name == before.Name {
			changed = before.Category
			return nil
		}
		if err := canMove(ctx, tx, before, after); err != nil {
			return err
		}
		changed = after.Category
		tx.AfterCommit(s.views.forgetAll)
		return store.UpdateCategory(ctx, tx, before, after, s.clock.Now())
	})
	if err != nil {
		return catalog.Category{}, fmt.Errorf("change category: %w", err)
	}
	return changed, nil
}

// canMove holds where a category is to be against where it and others are.
func canMove(ctx context.Context, tx *db.Tx, before, after store.Category) error {
	if after.Path == before.Path {
		return nil
	}
	if after.Parent != before.Parent && strings.HasPrefix(after.Path, before.Path+"/") {
		return catalog.ErrCategoryCycle.Field("body.parent_id", "is the category itself or lies below it")
	}
	depth, length, err := store.ExtentBelow(ctx, tx, before.Path)
	if err != nil {
		return err
	}
	longer := int64(utf8.RuneCountInString(after.Path) - utf8.RuneCountInString(before.Path))
	if err := checkExtent(depth+after.Depth-before.Depth, length+longer); depth > 0 && err != nil {
		return err
	}
	return freePath(ctx, tx, after)
}

// DeleteCategory deletes a category that is empty: what lies below it and what
// products stand in it must be moved first. Errors: catalog.ErrCategoryNotFound,
// catalog.ErrCategoryInUse.
func (s *Service) DeleteCategory(ctx context.Context, id string) error {
	err := s.writeCategories(ctx, func(ctx context.Context, tx *db.Tx) error {
		c, ok, err := store.GetCategory(ctx, tx, id)
		if err != nil {
			return err
		}
		if !ok {
			return catalog.ErrCategoryNotFound
		}
		children, products, err := store.CategoryInUse(ctx, tx, c.Number)
		switch {
		case err != nil:
			return err
		case children:
			return catalog.ErrCategoryInUse.With("there are categories below this one")
		case products:
			return catalog.ErrCategoryInUse.With("there are products in this category")
		}
		return store.DeleteCategory(ctx, tx, c.Number)
	})
	if err != nil {
		return fmt.Errorf("delete category: %w", err)
	}
	return nil
}

// place sets where a category is: below a parent, or at the root where that is nil.
func place(ctx context.Context, tx *db.Tx, c *store.Category, parentID *string) error {
	c.Parent, c.ParentID, c.Depth, c.Path = 0, nil, 1, c.Slug
	if parentID != nil {
		parent, ok, err := store.GetCategory(ctx, tx, *parentID)
		if err != nil {
			return err
		}
		if !ok {
			return errs.ErrInvalid.Field("body.parent_id", "there is no such category")
		}
		if parent.ID == c.ID {
			return catalog.ErrCategoryCycle.Field("body.parent_id", "is the category itself")
		}
		c.Parent, c.ParentID, c.Depth, c.Path = parent.Number, &parent.ID, parent.Depth+1, parent.Path+"/"+c.Slug
	}
	return checkExtent(c.Depth, int64(utf8.RuneCountInString(c.Path)))
}

// checkExtent holds where a category is against how deep and how long paths may
// be. Errors: catalog.ErrCategoryTooDeep.
func checkExtent(depth, length int64) error {
	switch {
	case depth > MaxCategoryDepth:
		return catalog.ErrCategoryTooDeep.With("categories are nested at most %d deep", MaxCategoryDepth)
	case length > format.MaxPath:
		return catalog.ErrCategoryTooDeep.With("a path would be longer than %d characters", format.MaxPath)
	}
	return nil
}

// freePath sees that no other category is where one is to be.
func freePath(ctx context.Context, tx *db.Tx, c store.Category) error {
	there, err := store.CategoriesByPath(ctx, tx, []string{c.Path})
	if err != nil {
		return err
	}
	if other, taken := there[c.Path]; taken && other.ID != c.ID {
		return catalog.ErrCategoryTaken.With("there is a category %q", c.Path)
	}
	return nil
}

// checkCategory holds slug and name against the rules. Errors: errs.ErrInvalid.
func checkCategory(c catalog.Category) error {
	invalid := errs.ErrInvalid
	message := checkLine(c.Name, MaxCategoryName)
	if strings.TrimSpace(c.Name) == "" {
		message = "is missing"
	}
	if message != "" {
		invalid = invalid.Field("body.name", "%s", message)
	}
	if message := checkSlug(c.Slug); message != "" {
		invalid = invalid.Field("body.slug", "%s", message)
	}
	if len(invalid.Fields) > 0 {
		return invalid
	}
	return nil
}

// checkSlug says what keeps a text from being a slug. Products know the same
// rule.
func checkSlug(slug string) string {
	p := format.Product{Slug: slug, Title: "x", Status: catalog.StatusDraft}
	for _, fault := range p.Check() {
		if fault.Field == format.FieldSlug {
			return fault.Message
		}
	}
	return ""
}
