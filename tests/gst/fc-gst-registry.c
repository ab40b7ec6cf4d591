/* framecache: buses of a test's own, and a registry that does what it is told
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fc-gst-registry.h"

#define NAME "org.framecache.Registry1"
#define ROOT "/org/framecache/Registry1"

static const gchar *const introspection
    = "<node>"
      "  <interface name='" NAME "'>"
      "    <method name='OpenSlot'>"
      "      <arg name='name' type='s' direction='in'/>"
      "      <arg name='options' type='a{sv}' direction='in'/>"
      "      <arg name='descriptors' type='ah' direction='out'/>"
      "    </method>"
      "    <property name='Directory' type='s' access='read'/>"
      "  </interface>"
      "</node>";

struct _FctRegistry
{
  GDBusConnection *connection;
  GMainContext *context;
  GMainLoop *loop;
  GThread *thread;
  gboolean runs; /* atomic */

  GMutex lock;
  gchar *directory;
  FctRegistryMode mode;
  GQueue silent; /* calls that are not answered yet */
  guint asked;
  guint answered;
  guint opened;
};

/* Buses --------------------------------------------------------------- */

/* Beside the slot directory: that may be hidden. */
static gchar *
path_of (const gchar *name)
{
  return g_strdup_printf ("%s.bus/%s", g_getenv ("FC_DIR"), name);
}

static const gchar *
name_of (GBusType bus)
{
  return bus == G_BUS_TYPE_SESSION ? "session" : "system";
}

static const gchar *
address_of (GBusType bus)
{
  return g_getenv (bus == G_BUS_TYPE_SESSION ? "DBUS_SESSION_BUS_ADDRESS"
                                             : "DBUS_SYSTEM_BUS_ADDRESS");
}

void
fct_bus_set_up (void)
{
  const gchar *dir = g_getenv ("FC_DIR");
  gchar *services = path_of ("services");
  gchar *session = g_strdup_printf ("unix:path=%s.bus/session", dir);
  gchar *system = g_strdup_printf ("unix:path=%s.bus/system", dir);

  g_assert_cmpint (g_mkdir_with_parents (services, 0755), ==, 0);
  g_setenv ("DBUS_SESSION_BUS_ADDRESS", session, TRUE);
  g_setenv ("DBUS_SYSTEM_BUS_ADDRESS", system, TRUE);
  g_free (system);
  g_free (session);
  g_free (services);
}

static void
put_file (const gchar *name, const gchar *text)
{
  GError *error = NULL;
  gchar *path = path_of (name);

  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
  g_free (path);
}

void
fct_bus_activates (const gchar *command)
{
  gchar *text
      = g_strdup_printf ("[D-BUS Service]\nName=" NAME "\nExec=%s\n", command);

  put_file ("services/" NAME ".service", text);
  g_free (text);
}

/* It has nothing of the system's configuration, and lets everybody in. */
GPid
fct_bus_start (GBusType bus)
{
  gchar *services = path_of ("services");
  gchar *path = path_of (name_of (bus));
  gchar *file = g_strconcat (name_of (bus), ".conf", NULL);
  gchar *config
      = g_strdup_printf ("<busconfig>"
                         "<listen>%s</listen><servicedir>%s</servicedir>"
                         "<policy context='default'><allow user='*'/>"
                         "<allow send_destination='*' eavesdrop='true'/>"
                         "<allow eavesdrop='true'/><allow own='*'/>"
                         "</policy></busconfig>",
                         address_of (bus), services);
  GPid pid;

  (void) unlink (path); /* a killed one's */
  put_file (file, config);
  pid = fct_spawn ("dbus-daemon --nofork --nopidfile --config-file=%s.bus/%s",
                   g_getenv ("FC_DIR"), file);
  FCT_WAIT (g_file_test (path, G_FILE_TEST_EXISTS));
  g_free (config);
  g_free (file);
  g_free (path);
  g_free (services);
  return pid;
}

/* Answers ------------------------------------------------------------- */

static void
give (GDBusMethodInvocation *call, const int *given, gint n)
{
  GUnixFDList *fds = g_unix_fd_list_new_from_array (given, n);
  GVariantBuilder handles;
  gint i;

  g_variant_builder_init (&handles, G_VARIANT_TYPE ("ah"));
  for (i = 0; i < n; i++)
    g_variant_builder_add (&handles, "h", i);
  g_dbus_method_invocation_return_value_with_unix_fd_list (
      call, g_variant_new ("(ah)", &handles), fds);
  g_object_unref (fds);
}

static void
open_slot (FctRegistry *self, GDBusMethodInvocation *call)
{
  gboolean observe = self->mode == FCT_OBSERVES;
  const gchar *slot;
  int given[2] = { -1, -1 };

  g_variant_get_child (g_dbus_method_invocation_get_parameters (call), 0, "&s",
                       &slot);
  if (fc_slot_open_fds (NULL, NULL, slot, &given[0], observe ? NULL : &given[1])
      < 0)
    {
      g_dbus_method_invocation_return_dbus_error (
          call, "org.framecache.Error.NotFound", fc_error_detail ());
      return;
    }
  give (call, given, observe ? 1 : 2);
  self->opened++;
}

/* With the lock, but for its thread's own calls. */
static void
reply (FctRegistry *self, GDBusMethodInvocation *call)
{
  int ends[2];

  switch (self->mode)
    {
    case FCT_OPENS:
    case FCT_OBSERVES:
      open_slot (self, call);
      break;
    case FCT_REFUSES:
      g_dbus_method_invocation_return_dbus_error (
          call, "org.framecache.Error.NotPermitted", FCT_REFUSAL);
      break;
    case FCT_GIVES_PIPE:
      g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
      give (call, ends, 2);
      break;
    case FCT_GIVES_NONE:
      give (call, NULL, 0);
      break;
    case FCT_IS_SILENT:
      g_queue_push_tail (&self->silent, call);
      return;
    }
  self->answered++;
}

static void
on_call (GDBusConnection *connection, const gchar *sender, const gchar *path,
         const gchar *interface, const gchar *method, GVariant *parameters,
         GDBusMethodInvocation *call, gpointer user_data)
{
  FctRegistry *self = user_data;

  g_mutex_lock (&self->lock);
  self->asked++;
  reply (self, call);
  g_mutex_unlock (&self->lock);
}

static GVariant *
on_get (GDBusConnection *connection, const gchar *sender, const gchar *path,
        const gchar *interface, const gchar *property, GError **error,
        gpointer user_data)
{
  FctRegistry *self = user_data;
  GVariant *value;

  g_mutex_lock (&self->lock);
  value = g_variant_new_string (self->directory);
  g_mutex_unlock (&self->lock);
  return value;
}

void
fct_registry_set_directory (FctRegistry *self, const gchar *directory)
{
  g_mutex_lock (&self->lock);
  g_free (self->directory);
  self->directory = g_strdup (directory);
  g_mutex_unlock (&self->lock);
}

void
fct_registry_set_mode (FctRegistry *self, FctRegistryMode mode)
{
  guint calls;

  g_mutex_lock (&self->lock);
  self->mode = mode;
  for (calls = self->silent.length; calls > 0; calls--)
    reply (self, g_queue_pop_head (&self->silent));
  g_mutex_unlock (&self->lock);
}

static guint
read_count (FctRegistry *self, const guint *count)
{
  guint n;

  g_mutex_lock (&self->lock);
  n = *count;
  g_mutex_unlock (&self->lock);
  return n;
}

guint
fct_registry_asked (FctRegistry *self)
{
  return read_count (self, &self->asked);
}

guint
fct_registry_answered (FctRegistry *self)
{
  return read_count (self, &self->answered);
}

guint
fct_registry_opened (FctRegistry *self)
{
  return read_count (self, &self->opened);
}

void
fct_registry_announce (FctRegistry *self, const gchar *slot)
{
  gchar *path = g_strdup_printf (ROOT "/slot/%s", slot);
  GError *error = NULL;

  g_dbus_connection_emit_signal (
      self->connection, NULL, ROOT, "org.freedesktop.DBus.ObjectManager",
      "InterfacesAdded", g_variant_new ("(oa{sa{sv}})", path, NULL), &error);
  g_assert_no_error (error);
  g_free (path);
}

/* On the bus ---------------------------------------------------------- */

static gboolean
on_running (gpointer user_data)
{
  FctRegistry *self = user_data;

  g_atomic_int_set (&self->runs, TRUE);
  return G_SOURCE_REMOVE;
}

static gpointer
registry_thread (gpointer user_data)
{
  FctRegistry *self = user_data;
  static const GDBusInterfaceVTable vtable
      = { .method_call = on_call, .get_property = on_get };
  GDBusNodeInfo *node = g_dbus_node_info_new_for_xml (introspection, NULL);
  GSource *running;
  GVariant *reply;
  guint object;

  g_main_context_push_thread_default (self->context);
  object = g_dbus_connection_register_object (
      self->connection, ROOT, node->interfaces[0], &vtable, self, NULL, NULL);
  g_assert_cmpuint (object, !=, 0);
  reply = g_dbus_connection_call_sync (
      self->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
      "org.freedesktop.DBus", "RequestName", g_variant_new ("(su)", NAME, 0),
      G_VARIANT_TYPE ("(u)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
  g_assert_nonnull (reply);
  g_variant_unref (reply);
  running = g_idle_source_new ();
  g_source_set_callback (running, on_running, self, NULL);
  g_source_attach (running, self->context);
  g_source_unref (running);
  g_main_loop_run (self->loop);
  (void) g_dbus_connection_close_sync (self->connection, NULL, NULL);
  g_dbus_connection_unregister_object (self->connection, object);
  g_main_context_pop_thread_default (self->context);
  g_dbus_node_info_unref (node);
  return NULL;
}

static GDBusConnection *
connect_to (GBusType bus)
{
  return g_dbus_connection_new_for_address_sync (
      address_of (bus),
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
          | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
      NULL, NULL, NULL);
}

FctRegistry *
fct_registry_start (GBusType bus, FctRegistryMode mode)
{
  FctRegistry *self = g_new0 (FctRegistry, 1);

  self->mode = mode;
  self->directory = path_of ("elsewhere");
  g_mutex_init (&self->lock);
  g_queue_init (&self->silent);
  self->context = g_main_context_new ();
  self->loop = g_main_loop_new (self->context, FALSE);
  FCT_WAIT ((self->connection = connect_to (bus)) != NULL);
  self->thread = g_thread_new ("registry", registry_thread, self);
  FCT_WAIT (g_atomic_int_get (&self->runs));
  return self;
}

static gboolean
on_quit (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_REMOVE;
}

void
fct_registry_kill (FctRegistry *self)
{
  g_main_context_invoke (self->context, on_quit, self->loop);
  g_thread_join (self->thread);
  g_queue_clear_full (&self->silent, g_object_unref);
  g_object_unref (self->connection);
  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
  g_mutex_clear (&self->lock);
  g_free (self->directory);
  g_free (self);
}

FctRegistry *
fct_registry_begin (FctRegistryMode mode)
{
  fct_bus_start (G_BUS_TYPE_SESSION);
  return fct_registry_start (G_BUS_TYPE_SESSION, mode);
}

/* Readers ------------------------------------------------------------- */

GstElement *
fct_elsewhere_new (gint attach, const gchar *property, const gchar *value)
{
  gchar *elsewhere = path_of ("elsewhere");
  GstElement *element
      = fct_new ("fcsrc", "slot", "cam0", "timestamps", 1, "directory",
                 elsewhere, "attach", attach, NULL);

  if (property != NULL)
    gst_util_set_object_arg (G_OBJECT (element), property, value);
  g_free (elsewhere);
  return element;
}

GstHarness *
fct_elsewhere_reader (gint attach)
{
  return fct_src_harness (fct_elsewhere_new (attach, NULL, NULL));
}

void
fct_wait_attached (void)
{
  FCT_WAIT (fct_waiting ("cam0") == 1);
}

void
fct_push_some (GstHarness *sink, guint first, guint n)
{
  guint i;

  for (i = first; i < first + n; i++)
    fct_push (sink, i, 100);
}

void
fct_pull_some (GstHarness *src, guint first, guint n)
{
  guint i;

  for (i = first; i < first + n; i++)
    fct_pull (src, i, 100);
}

void
fct_lost_nothing (GstHarness *src)
{
  fail_unless_equals_uint64 (fct_stat (src->element, "dropped"), 0);
  fail_unless_equals_uint64 (fct_stat (src->element, "skipped"), 0);
}

guint
fct_count_threads (const gchar *name)
{
  GDir *dir = g_dir_open ("/proc/self/task", 0, NULL);
  const gchar *task;
  guint n = 0;

  while ((task = g_dir_read_name (dir)) != NULL)
    {
      gchar *path = g_strdup_printf ("/proc/self/task/%s/comm", task);
      gchar *comm = NULL;

      if (g_file_get_contents (path, &comm, NULL, NULL))
        n += g_str_equal (g_strchomp (comm), name);
      g_free (comm);
      g_free (path);
    }
  g_dir_close (dir);
  return n;
}
