/* framecache: what clients may have waiting
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "inbox.h"

/* Calls; a large one counts as so many as it has of these bytes. */
#define UNIT (64u << 10)
#define CLIENT_MAX 64u
#define ALL_MAX 2048u

typedef struct
{
  GMainContext *context; /* where calls are handled */
  GMutex lock;           /* of what follows */
  GHashTable *waiting;   /* how many, by the client's unique name */
  guint all;
} Inbox;

typedef struct
{
  Inbox *inbox;
  gchar *client;
  guint cost;
} Call;

static void
inbox_clear (gpointer data)
{
  Inbox *inbox = data;

  g_main_context_unref (inbox->context);
  g_mutex_clear (&inbox->lock);
  g_hash_table_unref (inbox->waiting);
}

static void
inbox_unref (gpointer inbox)
{
  g_atomic_rc_box_release_full (inbox, inbox_clear);
}

static void
call_free (gpointer data)
{
  Call *call = data;

  inbox_unref (call->inbox);
  g_free (call->client);
  g_free (call);
}

/* FALSE where there is no room. */
static gboolean
count (Inbox *inbox, const gchar *client, guint cost)
{
  gboolean room;
  guint waiting;

  g_mutex_lock (&inbox->lock);
  waiting = GPOINTER_TO_UINT (g_hash_table_lookup (inbox->waiting, client));
  room = cost <= CLIENT_MAX - waiting && cost <= ALL_MAX - inbox->all;
  if (room)
    {
      g_hash_table_insert (inbox->waiting, g_strdup (client),
                           GUINT_TO_POINTER (waiting + cost));
      inbox->all += cost;
    }
  g_mutex_unlock (&inbox->lock);
  return room;
}

/* The loop has come to it. */
static gboolean
uncount (gpointer data)
{
  const Call *call = data;
  Inbox *inbox = call->inbox;
  guint waiting;

  g_mutex_lock (&inbox->lock);
  waiting
      = GPOINTER_TO_UINT (g_hash_table_lookup (inbox->waiting, call->client));
  inbox->all -= call->cost;
  if (waiting > call->cost)
    g_hash_table_insert (inbox->waiting, g_strdup (call->client),
                         GUINT_TO_POINTER (waiting - call->cost));
  else
    g_hash_table_remove (inbox->waiting, call->client);
  g_mutex_unlock (&inbox->lock);
  return G_SOURCE_REMOVE;
}

/* GIO hands a call to the loop in the same way, so that this comes just before
 * it. */
static void
uncount_later (Inbox *inbox, const gchar *client, guint cost)
{
  GSource *source = g_idle_source_new ();
  Call *call = g_new (Call, 1);

  *call = (Call){ g_atomic_rc_box_acquire (inbox), g_strdup (client), cost };
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, uncount, call, call_free);
  g_source_attach (source, inbox->context);
  g_source_unref (source);
}

static void
refuse (GDBusConnection *connection, GDBusMessage *message)
{
  g_autoptr (GDBusMessage) answer = NULL;

  if (g_dbus_message_get_flags (message)
      & G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED)
    return;
  answer = g_dbus_message_new_method_error (
      message, "org.freedesktop.DBus.Error.LimitsExceeded",
      "this is too much at once: %u calls of a client may wait here, and %u of "
      "all clients; one of more than %u KiB counts as several: wait for "
      "answers, or call with less",
      CLIENT_MAX, ALL_MAX, UNIT >> 10);
  g_dbus_connection_send_message (connection, answer,
                                  G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
}

/* By the thread that reads the bus. */
static GDBusMessage *
look_at (GDBusConnection *connection, GDBusMessage *message, gboolean incoming,
         gpointer data)
{
  const gchar *client = g_dbus_message_get_sender (message);
  GVariant *body = g_dbus_message_get_body (message);
  gsize cost = 1 + (body != NULL ? g_variant_get_size (body) / UNIT : 0);

  if (!incoming || client == NULL
      || g_dbus_message_get_message_type (message)
             != G_DBUS_MESSAGE_TYPE_METHOD_CALL)
    return message;
  if (cost <= CLIENT_MAX && count (data, client, (guint) cost))
    {
      uncount_later (data, client, (guint) cost);
      return message;
    }
  refuse (connection, message);
  g_object_unref (message);
  return NULL;
}

guint
fcr_inbox_bound (GDBusConnection *connection)
{
  Inbox *inbox = g_atomic_rc_box_new0 (Inbox);

  inbox->context = g_main_context_ref_thread_default ();
  g_mutex_init (&inbox->lock);
  inbox->waiting
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return g_dbus_connection_add_filter (connection, look_at, inbox, inbox_unref);
}
