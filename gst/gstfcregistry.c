/* framecache: the registry's calls, as a reader makes them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <gio/gunixfdlist.h>
#include <string.h>
#include <unistd.h>

#include "gstfcregistry.h"

#define INTERFACE "org.framecache.Registry1"

/* How long one that does not answer keeps the next from being asked. */
#define CALL_TIMEOUT 5000 /* ms */

gchar *
gst_fc_registry_slot_path (const gchar *slot)
{
  GString *path = g_string_new (GST_FC_REGISTRY_PATH "/slot/");

  for (; *slot != '\0'; slot++)
    if (g_ascii_isalnum (*slot))
      g_string_append_c (path, *slot);
    else
      g_string_append_printf (path, "_%02x", (guchar) *slot);
  return g_string_free (path, FALSE);
}

/* Gio would start a session bus where there is none; the registry is not on a
 * bus that nobody has begun. */
static gboolean
has_address (GBusType bus)
{
  const gchar *runtime = g_getenv ("XDG_RUNTIME_DIR");
  gchar *socket;
  gboolean has;

  if (bus != G_BUS_TYPE_SESSION || g_getenv ("DBUS_SESSION_BUS_ADDRESS"))
    return TRUE;
  if (runtime == NULL)
    return FALSE;
  socket = g_build_filename (runtime, "bus", NULL);
  has = g_file_test (socket, G_FILE_TEST_EXISTS);
  g_free (socket);
  return has;
}

GDBusConnection *
gst_fc_registry_connect (GBusType bus, GCancellable *cancellable,
                         GError **error)
{
  GDBusConnection *connection;
  gchar *address;

  if (!has_address (bus))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                   "there is none, as DBUS_SESSION_BUS_ADDRESS is not set");
      return NULL;
    }
  address = g_dbus_address_get_for_bus_sync (bus, cancellable, error);
  if (address == NULL)
    return NULL;
  /* In another user namespace this user has another number than outside: the
   * bus is not told one, and asks the kernel. The function that makes
   * connections does not know that flag in GLib 2.74. */
  connection = g_initable_new (
      G_TYPE_DBUS_CONNECTION, cancellable, error, "address", address, "flags",
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
          | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION
          | G_DBUS_CONNECTION_FLAGS_CROSS_NAMESPACE,
      NULL);
  g_free (address);
  return connection;
}

gboolean
gst_fc_registry_is_of (GDBusConnection *connection, const gchar *directory,
                       GDBusCallFlags flags, GError **error)
{
  GVariant *reply, *value;
  gchar *own, *other;
  gboolean same;

  reply = g_dbus_connection_call_sync (
      connection, GST_FC_REGISTRY_NAME, GST_FC_REGISTRY_PATH,
      "org.freedesktop.DBus.Properties", "Get",
      g_variant_new ("(ss)", INTERFACE, "Directory"), G_VARIANT_TYPE ("(v)"),
      flags, CALL_TIMEOUT, NULL, error);
  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(v)", &value);
  own = g_canonicalize_filename (directory, NULL);
  other
      = g_variant_is_of_type (value, G_VARIANT_TYPE_STRING)
            ? g_canonicalize_filename (g_variant_get_string (value, NULL), "/")
            : g_strdup ("no directory");
  same = g_str_equal (own, other);
  if (!same)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                 "its slots are those of %s, not of %s", other, own);
  g_free (other);
  g_free (own);
  g_variant_unref (value);
  g_variant_unref (reply);
  return same;
}

/* Of the descriptors that came with REPLY those that it names. */
static void
take_fds (GVariant *reply, GUnixFDList *fds, int *ring_fd, int *table_fd)
{
  int *taken = NULL, n = 0, i;
  gint32 ring = -1, table = -1;
  GVariant *handles;
  gsize count;

  if (fds != NULL)
    taken = g_unix_fd_list_steal_fds (fds, &n);
  handles = g_variant_get_child_value (reply, 0);
  count = g_variant_n_children (handles);
  if (count > 0)
    g_variant_get_child (handles, 0, "h", &ring);
  if (count > 1)
    g_variant_get_child (handles, 1, "h", &table);
  g_variant_unref (handles);
  for (i = 0; i < n; i++)
    if (i == ring)
      *ring_fd = taken[i];
    else if (i == table)
      *table_fd = taken[i];
    else
      close (taken[i]);
  g_free (taken);
}

gboolean
gst_fc_registry_open_slot (GDBusConnection *connection, const gchar *slot,
                           GDBusCallFlags flags, int *ring_fd, int *table_fd,
                           GError **error)
{
  GUnixFDList *fds = NULL;
  GVariant *reply;

  *ring_fd = *table_fd = -1;
  reply = g_dbus_connection_call_with_unix_fd_list_sync (
      connection, GST_FC_REGISTRY_NAME, GST_FC_REGISTRY_PATH, INTERFACE,
      "OpenSlot", g_variant_new ("(sa{sv})", slot, NULL),
      G_VARIANT_TYPE ("(ah)"), flags, CALL_TIMEOUT, NULL, &fds, NULL, error);
  if (reply == NULL)
    return FALSE;
  take_fds (reply, fds, ring_fd, table_fd);
  g_clear_object (&fds);
  g_variant_unref (reply);
  if (*ring_fd >= 0)
    return TRUE;
  if (*table_fd >= 0)
    close (*table_fd);
  *table_fd = -1;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
               "it handed over no descriptor");
  return FALSE;
}
