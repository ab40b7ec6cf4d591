/* framecache: the registry, asked by fcctl
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bus.h"

#include <string.h>
#include <sys/stat.h>

#include "fcctl.h"
#include "names.h"

#define LOOK_MS 3000  /* for a bus to answer */
#define WORK_MS 10000 /* for the registry to make or remove a slot */

gboolean
fcctl_bus_take (const gchar *text, FcctlBus *bus)
{
  static const gchar *const names[]
      = { "auto", "session", "system", "none", NULL };

  for (guint i = 0; names[i] != NULL; i++)
    if (g_str_equal (text != NULL ? text : "auto", names[i]))
      {
        *bus = (FcctlBus) i;
        return TRUE;
      }
  fcctl_say ("--bus is auto, session, system or none, not \"%s\"", text);
  return FALSE;
}

/* Connecting --------------------------------------------------------------- */

/* Whether there is a session's bus: GIO would start one where there is a
 * display. */
static gboolean
has_session (void)
{
  g_autofree gchar *path
      = g_build_filename (g_get_user_runtime_dir (), "bus", NULL);

  return g_getenv ("DBUS_SESSION_BUS_ADDRESS") != NULL
         || g_file_test (path, G_FILE_TEST_EXISTS);
}

static gboolean
give_up (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  return G_SOURCE_REMOVE;
}

static void
take_result (GObject *source, GAsyncResult *result, gpointer into)
{
  *(GAsyncResult **) into = g_object_ref (result);
}

/* A daemon that is stopped takes a connection and never answers. */
static GDBusConnection *
connect_to (GBusType type, GError **error)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GSource) bound = g_timeout_source_new (LOOK_MS);
  g_autoptr (GAsyncResult) result = NULL;
  g_autofree gchar *address
      = g_dbus_address_get_for_bus_sync (type, NULL, error);
  GDBusConnection *connection;

  if (address == NULL)
    return NULL;
  g_main_context_push_thread_default (context);
  g_source_set_callback (bound, give_up, cancellable, NULL);
  g_source_attach (bound, context);
  g_dbus_connection_new_for_address (
      address,
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
          | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
      NULL, cancellable, take_result, &result);
  while (result == NULL)
    g_main_context_iteration (context, TRUE);
  connection = g_dbus_connection_new_for_address_finish (result, error);
  g_source_destroy (bound);
  g_main_context_pop_thread_default (context);
  return connection;
}

/* Asking ------------------------------------------------------------------- */

static GVariant *
call (GDBusConnection *connection, const gchar *name, const gchar *path,
      const gchar *method, GVariant *parameters, const gchar *reply, int ms,
      GError **error)
{
  const gchar *dot = strrchr (method, '.');
  g_autofree gchar *interface = g_strndup (method, (gsize) (dot - method));

  return g_dbus_connection_call_sync (
      connection, name, path, interface, dot + 1, parameters,
      reply != NULL ? G_VARIANT_TYPE (reply) : NULL,
      G_DBUS_CALL_FLAGS_NO_AUTO_START, ms, NULL, error);
}

/* By any path: a link, or a mount of it elsewhere. */
static gboolean
is_same_directory (const gchar *a, const gchar *b)
{
  struct stat x, y;

  if (stat (a, &x) < 0 || stat (b, &y) < 0)
    return g_str_equal (a, b);
  return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* D-Bus's own words for it are about names and owners. */
static void
explain (GError **error)
{
  if (error == NULL)
    return;
  g_dbus_error_strip_remote_error (*error);
  if (!g_error_matches (*error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN)
      && !g_error_matches (*error, G_DBUS_ERROR,
                           G_DBUS_ERROR_NAME_HAS_NO_OWNER))
    return;
  g_clear_error (error);
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                       "none runs; start fc-registry");
}

static gboolean
has_directory (GDBusConnection *connection, const gchar *directory,
               GError **error)
{
  g_autoptr (GVariant) reply
      = call (connection, FCR_BUS_NAME, FCR_ROOT_PATH,
              "org.freedesktop.DBus.Properties.Get",
              g_variant_new ("(ss)", FCR_REGISTRY_INTERFACE, "Directory"),
              "(v)", LOOK_MS, error);
  g_autoptr (GVariant) value = NULL;

  if (reply == NULL)
    {
      explain (error);
      return FALSE;
    }
  g_variant_get (reply, "(v)", &value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING)
      && is_same_directory (g_variant_get_string (value, NULL), directory))
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
               "it has the slots of another directory, not of %s", directory);
  return FALSE;
}

static GDBusConnection *
registry_on (GBusType type, const gchar *directory, GError **error)
{
  g_autoptr (GDBusConnection) connection = NULL;

  if (type == G_BUS_TYPE_SESSION && !has_session ())
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                         "there is no session bus here");
  else
    connection = connect_to (type, error);
  if (connection == NULL || !has_directory (connection, directory, error))
    return NULL;
  return g_steal_pointer (&connection);
}

GDBusConnection *
fcctl_bus_registry (FcctlBus bus, const gchar *directory, GError **error)
{
  GDBusConnection *registry = NULL;

  if (bus == FCCTL_BUS_AUTO)
    {
      registry = registry_on (G_BUS_TYPE_SESSION, directory, NULL);
      if (registry == NULL)
        registry = registry_on (G_BUS_TYPE_SYSTEM, directory, NULL);
      return registry;
    }
  if (bus != FCCTL_BUS_NONE)
    registry = registry_on (bus == FCCTL_BUS_SESSION ? G_BUS_TYPE_SESSION
                                                     : G_BUS_TYPE_SYSTEM,
                            directory, error);
  if (registry == NULL && bus != FCCTL_BUS_NONE)
    g_prefix_error (error, "can not use the registry of the %s bus: ",
                    bus == FCCTL_BUS_SESSION ? "session" : "system");
  return registry;
}

gboolean
fcctl_bus_call (GDBusConnection *registry, const gchar *method,
                GVariant *parameters, GError **error)
{
  g_autofree gchar *full
      = g_strconcat (FCR_REGISTRY_INTERFACE ".", method, NULL);
  g_autoptr (GVariant) reply = call (registry, FCR_BUS_NAME, FCR_ROOT_PATH,
                                     full, parameters, NULL, WORK_MS, error);

  return reply != NULL;
}

/* Errors ------------------------------------------------------------------- */

gboolean
fcctl_bus_is (const GError *error, const gchar *name)
{
  g_autofree gchar *full = g_strconcat (FCR_ERROR_PREFIX, name, NULL);
  g_autofree gchar *remote = g_dbus_error_get_remote_error (error);

  return g_strcmp0 (remote, full) == 0;
}

int
fcctl_bus_fail (GError *error)
{
  int code = FCCTL_FAILED;

  if (fcctl_bus_is (error, "NotFound"))
    code = FCCTL_NO_SLOT;
  else if (fcctl_bus_is (error, "InvalidName")
           || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS))
    code = FCCTL_USAGE;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    fcctl_say ("the registry has not answered for %u s; it may still do what "
               "was asked",
               WORK_MS / 1000);
  else
    {
      g_dbus_error_strip_remote_error (error);
      fcctl_say ("%s", error->message);
    }
  return code;
}
