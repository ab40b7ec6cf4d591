/* framecache: fcctl rm
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bus.h"
#include "fcctl.h"

static int
remove_here (const gchar *slot, gboolean force)
{
  int r = fc_slot_remove (fcctl_directory, slot, force);

  return r < 0 ? fcctl_fail (r) : FCCTL_OK;
}

/* What is wrong with the slot's files, or with the caller's right to them, is
 * better told by libfc than by a registry that can not read them either. */
static gboolean
may_still_go_here (const GError *error)
{
  return fcctl_bus_is (error, "NotFound")
         || fcctl_bus_is (error, "NotPermitted")
         || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED);
}

static int
remove_slot (const gchar *slot, gboolean force, FcctlBus bus)
{
  fc_slot_stat_t stat = { .struct_size = sizeof stat };
  g_autoptr (GDBusConnection) registry = NULL;
  g_autoptr (GError) error = NULL;
  GVariantDict options;

  if (fc_slot_stat (fcctl_directory, slot, &stat) < 0)
    return remove_here (slot, force);
  registry = fcctl_bus_registry (bus, stat.dir, &error);
  if (error != NULL)
    return fcctl_bus_fail (error);
  if (registry == NULL)
    return remove_here (slot, force);
  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert (&options, "force", "b", force);
  if (fcctl_bus_call (
          registry, "RemoveSlot",
          g_variant_new ("(s@a{sv})", slot, g_variant_dict_end (&options)),
          &error))
    return FCCTL_OK;
  if (bus == FCCTL_BUS_AUTO && may_still_go_here (error))
    return remove_here (slot, force);
  return fcctl_bus_fail (error);
}

int
fcctl_rm (int argc, char **argv)
{
  g_autofree gchar *bus_text = NULL;
  gboolean force = FALSE;
  const GOptionEntry entries[] = { { "force", 'f', 0, G_OPTION_ARG_NONE, &force,
                                     "Also where a writer lives", NULL },
                                   FCCTL_BUS_ENTRY (bus_text),
                                   { 0 } };
  int code = FCCTL_OK;
  FcctlBus bus;

  if (!fcctl_parse (&argc, &argv, entries, "SLOT...", 1, -1,
                    "Take slots away. Their consumers are told; the memory "
                    "goes with the last of them.",
                    NULL)
      || !fcctl_bus_take (bus_text, &bus))
    return FCCTL_USAGE;
  for (int i = 1; i < argc; i++)
    {
      int one = remove_slot (argv[i], force, bus);

      if (code == FCCTL_OK)
        code = one;
    }
  return code;
}
