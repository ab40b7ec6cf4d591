/* framecache: fcctl create
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <pwd.h>
#include <string.h>

#include "bus.h"
#include "sizing.h"

typedef struct
{
  const gchar *slot;
  FcctlBus bus;
  fc_writer_options_t options;
  fc_plan_t plan;
} Create;

/* Options ------------------------------------------------------------------ */

static gboolean
take_share (const gchar *option, const gchar *text, fc_share_t *share)
{
  static const fc_share_t shares[]
      = { FC_SHARE_USER, FC_SHARE_GROUP, FC_SHARE_ALL };

  if (text == NULL)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (shares); i++)
    if (g_str_equal (text, fcctl_share (shares[i])))
      {
        *share = shares[i];
        return TRUE;
      }
  fcctl_say ("%s is user, group or all, not \"%s\"", option, text);
  return FALSE;
}

static gboolean
take_owner (const gchar *text, fc_writer_options_t *options)
{
  struct passwd *user;
  guint64 uid;

  if (text == NULL)
    return TRUE;
  user = getpwnam (text);
  if (user != NULL)
    uid = user->pw_uid;
  else if (!g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT32 - 1, &uid,
                                        NULL))
    {
      fcctl_say ("there is no user \"%s\"; --owner is a user's name or number",
                 text);
      return FALSE;
    }
  options->owner_set = 1;
  options->owner = (uint32_t) uid;
  return TRUE;
}

/* Making it ---------------------------------------------------------------- */

static GVariant *
arguments (const Create *create)
{
  const fc_writer_options_t *options = &create->options;
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("(sa{sv})"));
  g_variant_builder_add (&builder, "s", create->slot);
  g_variant_builder_open (&builder, G_VARIANT_TYPE ("a{sv}"));
#define ADD(key, value) g_variant_builder_add (&builder, "{sv}", key, value)
  ADD ("frame-size", g_variant_new_uint64 (options->frame_size));
  ADD ("ring-depth", g_variant_new_uint32 (options->ring_depth));
  ADD ("access", g_variant_new_string (fcctl_share (options->access)));
  ADD ("trust", g_variant_new_string (fcctl_share (options->trust)));
  if (options->max_consumers > 0)
    ADD ("max-consumers", g_variant_new_uint32 (options->max_consumers));
  if (options->leases > 0)
    ADD ("leases", g_variant_new_uint32 (options->leases));
  if (options->writer_cells > 0)
    ADD ("writer-cells", g_variant_new_uint32 (options->writer_cells));
  if (options->format != NULL)
    ADD ("format", g_variant_new_string (options->format));
  if (options->owner_set)
    ADD ("owner", g_variant_new_uint32 (options->owner));
#undef ADD
  g_variant_builder_close (&builder);
  return g_variant_builder_end (&builder);
}

static int
make_by_registry (const Create *create, GDBusConnection *registry)
{
  fc_slot_stat_t stat = { .struct_size = sizeof stat };
  g_autoptr (GError) error = NULL;

  if (create->options.format != NULL
      && !g_utf8_validate_len (create->options.format,
                               create->options.format_size, NULL))
    {
      fcctl_say ("the format is not UTF-8, which a bus asks for; --bus=none "
                 "makes the slot without the registry");
      return FCCTL_USAGE;
    }
  if (!fcctl_bus_call (registry, "CreateSlot", arguments (create), &error))
    return fcctl_bus_fail (error);
  if (fc_slot_stat (create->plan.dir, create->slot, &stat) < 0)
    return fcctl_say ("the registry made %s, and yet it is not here: %s; its "
                      "%s is another one than this process sees",
                      create->slot, fc_error_detail (), create->plan.dir);
  return FCCTL_OK;
}

static void
report (const Create *create, gboolean kept)
{
  g_autofree gchar *start = fcctl_bytes (create->plan.bytes_initial);
  g_autofree gchar *most = fcctl_bytes (create->plan.bytes_planned);
  g_autofree gchar *dir
      = fcctl_escape (create->plan.dir, strlen (create->plan.dir));

  if (fcctl_json)
    {
      JsonBuilder *json = json_builder_begin_object (json_builder_new ());

      fcctl_json_string (json, "name", create->slot);
      fcctl_json_string (json, "dir", create->plan.dir);
      fcctl_json_bool (json, "kept", kept);
      fcctl_json_uint (json, "bytes_initial", create->plan.bytes_initial);
      fcctl_json_uint (json, "bytes_planned", create->plan.bytes_planned);
      fcctl_print_json (json_builder_end_object (json));
      return;
    }
  printf ("%s is reserved in %s: %s now, at most %s\n", create->slot, dir,
          start, most);
  if (!kept)
    printf ("It is gone after a reboot: no registry (fc-registry) keeps it.\n");
}

static int
make (const Create *create)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) registry
      = fcctl_bus_registry (create->bus, create->plan.dir, &error);
  int code = FCCTL_OK, r;

  if (error != NULL)
    return fcctl_bus_fail (error);
  if (registry != NULL)
    code = make_by_registry (create, registry);
  else if ((r = fc_slot_reserve (create->slot, &create->options)) < 0)
    code = fcctl_fail (r);
  if (code == FCCTL_OK)
    report (create, registry != NULL);
  return code;
}

/* The command -------------------------------------------------------------- */

static int
run (Create *create, const FcrSizes *sizes, const gchar *owner)
{
  int code;

  if (sizes->count > 1)
    {
      fcctl_say ("x%u is for fcctl plan: create makes one slot at a time",
                 sizes->count);
      return FCCTL_USAGE;
    }
  code = fcctl_sizing_plan (sizes, &create->options, &create->plan);
  if (code != FCCTL_OK)
    return code;
  return take_owner (owner, &create->options) ? make (create) : FCCTL_USAGE;
}

int
fcctl_create (int argc, char **argv)
{
  FcctlSizing sizing = FCCTL_SIZING_INIT;
  g_autofree gchar *access = NULL, *trust = NULL, *owner = NULL, *bus = NULL;
  const GOptionEntry entries[]
      = { FCCTL_SIZING_ENTRIES (sizing),
          { "access", 'a', 0, G_OPTION_ARG_STRING, &access,
            "Who may read: user, group or all", "WHO" },
          { "trust", 't', 0, G_OPTION_ARG_STRING, &trust,
            "Who may hold leases: user, group or all", "WHO" },
          { "owner", 'o', 0, G_OPTION_ARG_STRING, &owner,
            "Whose slot it is, by name or number", "USER" },
          FCCTL_BUS_ENTRY (bus),
          { 0 } };
  FcrSizes sizes = FCR_SIZES_INIT;
  Create create = { 0 };
  int code = FCCTL_USAGE;

  if (fcctl_parse (&argc, &argv, entries, "SLOT WORD...", 2, -1,
                   "Reserve a slot before its writer comes. It outlives its "
                   "writers, and where a\nregistry runs a reboot too.",
                   FCCTL_SIZING_HELP)
      && fcctl_bus_take (bus, &create.bus)
      && take_share ("--access", access, &sizes.access)
      && take_share ("--trust", trust, &sizes.trust)
      && fcctl_sizing_take (&sizing, argv + 2, &sizes))
    {
      create.slot = argv[1];
      /* Who may hold leases has to be able to read. */
      if (access == NULL)
        sizes.access = sizes.trust;
      code = run (&create, &sizes, owner);
    }
  fcr_sizes_clear (&sizes);
  fcctl_sizing_clear (&sizing);
  return code;
}
