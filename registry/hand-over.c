/* framecache: a slot as file descriptors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "hand-over.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gio/gunixfdlist.h>

#include "bus-errors.h"
#include "fcr-bus.h"

/* Whether CALLER could have opened FD's file by its name, for what WANTED says
 * of S_IROTH and S_IWOTH. A ring's mode is the slot's access, and its table's
 * the slot's trust. What is asked is the file that is handed out, and not the
 * last look at it: there may be another one in its place by now. */
static gboolean
may_open (const FcrCaller *caller, int fd, mode_t wanted)
{
  struct stat st;

  if (fstat (fd, &st) < 0)
    return FALSE;
  if (caller->uid == 0)
    return TRUE;
  if (caller->uid == st.st_uid)
    st.st_mode >>= 6;
  else if (fcr_caller_in_group (caller, st.st_gid))
    st.st_mode >>= 3;
  return (st.st_mode & wanted) == wanted;
}

/* The ring and, unless TABLE is NULL, the consumer table; -1 where the registry
 * may not open it itself. */
static int
open_slot_files (const FcrSlot *slot, const gchar *ring_dir, int *ring,
                 int *table)
{
  int r = fc_slot_open_fds (slot->stat.dir, ring_dir, slot->name, ring, table);

  if (r != -EACCES || table == NULL)
    return r;
  *table = -1;
  return fc_slot_open_fds (slot->stat.dir, ring_dir, slot->name, ring, NULL);
}

/* Takes the descriptors; TABLE may be -1. They are closed when the message is
 * on its way. */
static void
answer_descriptors (GDBusMethodInvocation *invocation, int ring, int table)
{
  const gint descriptors[] = { ring, table };
  gint n = table >= 0 ? 2 : 1;
  g_autoptr (GUnixFDList) list = g_unix_fd_list_new_from_array (descriptors, n);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("ah"));
  for (gint i = 0; i < n; i++)
    g_variant_builder_add (&builder, "h", i);
  fcr_bus_registry1_complete_open_slot (NULL, invocation, list,
                                        g_variant_builder_end (&builder));
}

void
fcr_hand_over (GDBusMethodInvocation *invocation, const FcrCaller *caller,
               const FcrSlot *slot, gboolean observe, FcrReadonly *readonly)
{
  const gchar *ring_dir;
  int ring = -1, table = -1, r;
  GError *error = NULL;

  if (!fcr_readonly_path (readonly, slot->stat.dir, &ring_dir, &error))
    {
      fcr_bus_errors_return (invocation, error);
      return;
    }
  r = open_slot_files (slot, ring_dir, &ring, observe ? NULL : &table);
  if (r < 0)
    {
      fcr_set_error (&error, r);
      fcr_bus_errors_return (invocation, error);
      return;
    }
  if (table >= 0 && !may_open (caller, table, S_IROTH | S_IWOTH))
    {
      close (table);
      table = -1;
    }
  if (may_open (caller, ring, S_IROTH))
    {
      answer_descriptors (invocation, ring, table);
      return;
    }
  g_dbus_method_invocation_return_error (
      invocation, FCR_ERROR, FCR_ERROR_NOT_PERMITTED,
      "user %u may not read the slot %s, which belongs to user %u: its access "
      "has to be wider",
      caller->uid, slot->name, slot->stat.owner);
  close (ring);
  if (table >= 0)
    close (table);
}
