/* What clients on a bus say to the registry: its methods' arguments, and what
 * the bus says of who calls. Each call is answered.
 *
 * The input is calls: a byte that says which, and by whom; what the bus says of
 * a client that it was not asked about before; and the arguments.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdlib.h>
#include <unistd.h>

#include "bus.h"
#include "names.h"
#include "service.h"

#define CALLS 6
#define BUDGET (8 << 20)

static const gchar *const option_names[] = {
  "frame-size",    "width",  "height",       "pixel-format", "ring-depth",
  "seconds",       "format", "framerate",    "access",       "trust",
  "owner",         "leases", "writer-cells", "force",        "observe",
  "max-consumers", NULL,
};

static const gchar *const properties[]
    = { "Directory", "BytesFree", "WriteCursor", "Dropped", "Name", "Nothing" };

static char dir[] = "/dev/shm/fc-fuzz-XXXXXX";
static FcrStore *store;
static GDBusConnection *registry, *bus;
static guint clients, answered;

/* What the bus says of who calls; for the thread that reads. */
static GMutex lock;
static GVariant *credentials;

/* The bus ------------------------------------------------------------------ */

static void
answer_credentials (GDBusConnection *connection, GDBusMessage *question)
{
  g_autoptr (GDBusMessage) answer = NULL;

  g_mutex_lock (&lock);
  if (credentials != NULL)
    {
      answer = g_dbus_message_new_method_reply (question);
      g_dbus_message_set_body (answer, credentials);
    }
  else
    answer = g_dbus_message_new_method_error_literal (
        question, "org.freedesktop.DBus.Error.NameHasNoOwner", "no such name");
  g_mutex_unlock (&lock);
  g_dbus_connection_send_message (connection, answer,
                                  G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
}

static GDBusMessage *
look_at (GDBusConnection *connection, GDBusMessage *message, gboolean incoming,
         gpointer data)
{
  if (!incoming
      || g_strcmp0 (g_dbus_message_get_member (message),
                    "GetConnectionCredentials")
             != 0)
    return message;
  answer_credentials (connection, message);
  g_object_unref (message);
  return NULL;
}

static void
take_credentials (fuzz_t *in)
{
  static const gchar *const names[]
      = { "UnixUserID", "UnixGroupIDs", "ProcessID", NULL };
  guint8 how = fuzz_byte (in);
  GVariant *value = NULL;

  if (how < 64)
    value = g_variant_new_parsed ("({'UnixUserID': <%u>},)",
                                  how < 32 ? (guint32) geteuid () : how);
  else if (how < 96)
    value = g_variant_new_parsed (
        "({'UnixUserID': <%u>, 'UnixGroupIDs': <[%u, 0]>},)", (guint32) how,
        (guint32) getegid ());
  else if (how < 224)
    value = g_variant_new ("(@a{sv})", bus_take_options (in, names));
  g_mutex_lock (&lock);
  g_clear_pointer (&credentials, g_variant_unref);
  credentials = value != NULL ? g_variant_ref_sink (value) : NULL;
  g_mutex_unlock (&lock);
}

/* The clients -------------------------------------------------------------- */

static gchar *
take_slot (fuzz_t *in)
{
  guint8 how = fuzz_byte (in);

  if (how < 128)
    return g_strdup_printf ("cam%u", how % 4);
  return bus_take_text (in);
}

/* NULL where the input has something else for arguments. */
static GVariant *
arguments_of (fuzz_t *in, const gchar *signature)
{
  g_autofree gchar *slot = NULL;

  if (signature[0] == 's')
    slot = take_slot (in);
  if (g_str_equal (signature, "sa{sv}"))
    return g_variant_new ("(s@a{sv})", slot,
                          bus_take_options (in, option_names));
  if (g_str_equal (signature, "s"))
    return g_variant_new ("(s)", slot);
  if (g_str_equal (signature, "a{sv}"))
    return g_variant_new ("(@a{sv})", bus_take_options (in, option_names));
  if (g_str_equal (signature, "get"))
    return g_variant_new (
        "(ss)",
        fuzz_byte (in) & 1 ? FCR_REGISTRY_INTERFACE : FCR_SLOT_INTERFACE,
        properties[fuzz_byte (in) % G_N_ELEMENTS (properties)]);
  return NULL;
}

typedef struct
{
  const gchar *interface;
  const gchar *method;
  const gchar *signature;
} Method;

static const Method methods[] = {
  { FCR_REGISTRY_INTERFACE, "CreateSlot", "sa{sv}" },
  { FCR_REGISTRY_INTERFACE, "Plan", "a{sv}" },
  { FCR_REGISTRY_INTERFACE, "OpenSlot", "sa{sv}" },
  { FCR_REGISTRY_INTERFACE, "RemoveSlot", "sa{sv}" },
  { FCR_REGISTRY_INTERFACE, "GetSlot", "s" },
  { FCR_REGISTRY_INTERFACE, "ListSlots", "" },
  { FCR_REGISTRY_INTERFACE, "CollectGarbage", "" },
  { FCR_SLOT_INTERFACE, "GetConsumers", "" },
  { FCR_SLOT_INTERFACE, "GetStats", "" },
  { FCR_SLOT_INTERFACE, "Remove", "a{sv}" },
  { "org.freedesktop.DBus.Properties", "Get", "get" },
  { "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "" },
};

/* The object that has METHOD. */
static const gchar *
path_of (const Method *method, guint8 how)
{
  if (g_str_equal (method->interface, FCR_SLOT_INTERFACE)
      || (method->signature[0] == 'g' && (how & 1) != 0))
    return FCR_SLOT_PATH "cam0";
  return FCR_ROOT_PATH;
}

static void
on_answer (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  GDBusMessage *message = g_dbus_connection_send_message_with_reply_finish (
      G_DBUS_CONNECTION (source), result, &error);

  /* Handles without descriptors, for instance, are not sent. */
  if (message == NULL
      && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT))
    g_error ("%s", error->message);
  g_clear_object (&message);
  answered++;
}

static void
call (fuzz_t *in)
{
  guint8 which = fuzz_byte (in), who = fuzz_byte (in);
  const Method *method = &methods[which % G_N_ELEMENTS (methods)];
  g_autoptr (GDBusMessage) message = g_dbus_message_new_method_call (
      FCR_BUS_NAME, path_of (method, who), method->interface, method->method);
  g_autofree gchar *client = NULL;
  GVariant *arguments = arguments_of (in, method->signature);

  if ((who & 6) == 0)
    {
      clients++;
      take_credentials (in);
    }
  client = g_strdup_printf (":1.%u", clients);
  g_dbus_message_set_sender (message, client);
  if (who >= 240)
    {
      g_clear_pointer (&arguments, g_variant_unref);
      arguments = g_variant_new ("(@*)", bus_take_value (in));
    }
  if (arguments != NULL)
    g_dbus_message_set_body (message, arguments);
  g_dbus_connection_send_message_with_reply (
      bus, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, G_MAXINT, NULL, NULL,
      on_answer, NULL);
}

/* The slots ---------------------------------------------------------------- */

static void
on_removed (GObject *source, GAsyncResult *result, gpointer data)
{
  (void) fcr_store_remove_finish (FCR_STORE (source), result, NULL);
  answered++;
}

static void
on_created (GObject *source, GAsyncResult *result, gpointer data)
{
  (void) fcr_store_create_finish (FCR_STORE (source), result, NULL);
  answered++;
}

static void
await (guint count)
{
  while (answered < count)
    g_main_context_iteration (NULL, TRUE);
}

/* cam0 is there, and nothing else. */
static void
tidy (void)
{
  g_autoptr (GPtrArray) slots = fcr_store_list (store);
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  gboolean there = FALSE;
  guint asked = 0;

  answered = 0;
  for (guint i = 0; i < slots->len; i++)
    {
      const FcrSlot *slot = g_ptr_array_index (slots, i);

      there |= g_str_equal (slot->name, "cam0");
      if (!g_str_equal (slot->name, "cam0") && ++asked > 0)
        fcr_store_remove (store, slot->name, TRUE, on_removed, NULL);
    }
  options.frame_size = 4096;
  options.ring_depth = 2;
  options.max_consumers = 2;
  if (!there && ++asked > 0)
    fcr_store_create (store, "cam0", &options, geteuid (), on_created, NULL);
  await (asked);
}

static void
clean_up (void)
{
  const gchar *name;
  GDir *folder;

  fcr_store_stop (store);
  (void) fc_slot_remove (dir, "cam0", 1);
  folder = g_dir_open (dir, 0, NULL);
  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL)
    {
      gchar *path = g_build_filename (dir, name, NULL);

      unlink (path);
      g_free (path);
    }
  g_clear_pointer (&folder, g_dir_close);
  rmdir (dir);
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  const FcrStoreOptions options = { dir, NULL, BUDGET, 1 };

  if (mkdtemp (dir) == NULL)
    abort ();
  bus_connect (&registry, &bus);
  g_dbus_connection_add_filter (bus, look_at, NULL, NULL);
  store = fcr_store_new (&options, NULL);
  atexit (clean_up);
  if (store == NULL || fcr_service_new (store, registry, NULL) == NULL)
    abort ();
  fcr_store_start (store);
  return 0;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  fuzz_t in = { data, size };
  guint asked = 0;

  tidy ();
  answered = 0;
  while (asked < CALLS && in.size > 0)
    {
      call (&in);
      asked++;
    }
  await (asked);
  return 0;
}
