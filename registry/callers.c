/* framecache: who calls
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "callers.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>

/* Calls under way. */
#define CLIENT_MAX 16u
#define ALL_MAX 128u
/* Clients remembered: more than can have calls under way, so that there is
 * always one to forget. */
#define KNOWN_MAX 256u
/* The kernel's bound on a process's groups, and one on a line of passwd. */
#define GROUPS_MAX 65536
#define PASSWD_MAX 65536

/* A client is known by its unique name, which the bus gives to nobody else
 * ever again, and whose credentials are those of the moment it connected: what
 * is remembered can not become wrong, only too much. */
typedef struct
{
  FcrCallers *callers; /* NULL: freed */
  gchar *name;
  GList *link; /* in callers->clients */
  gboolean known;
  FcrCaller caller;
  guint under_way;
  GQueue waiting; /* of Waiting, until it is known */
} Client;

typedef struct
{
  GDBusMethodInvocation *invocation;
  FcrCallerFunc func;
  gpointer user_data;
} Waiting;

struct _FcrCallers
{
  GDBusConnection *connection;
  GCancellable *cancellable;
  GHashTable *by_name; /* of Client, by its name */
  GQueue clients;      /* the same; the one that called last comes last */
  guint under_way;
};

gboolean
fcr_caller_in_group (const FcrCaller *caller, gid_t group)
{
  for (guint i = 0; i < caller->groups->len; i++)
    if (g_array_index (caller->groups, gid_t, i) == group)
      return TRUE;
  return FALSE;
}

static void
client_clear (gpointer data)
{
  Client *client = data;

  g_free (client->name);
  g_array_unref (client->caller.groups);
}

static void
client_unref (gpointer client)
{
  g_rc_box_release_full (client, client_clear);
}

static void
waiting_free (gpointer data)
{
  Waiting *waiting = data;

  g_object_unref (waiting->invocation);
  g_free (waiting);
}

FcrCallers *
fcr_callers_new (GDBusConnection *connection)
{
  FcrCallers *callers = g_new0 (FcrCallers, 1);

  callers->connection = g_object_ref (connection);
  callers->cancellable = g_cancellable_new ();
  callers->by_name
      = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, client_unref);
  return callers;
}

void
fcr_callers_free (FcrCallers *callers)
{
  if (callers == NULL)
    return;
  g_cancellable_cancel (callers->cancellable);
  g_object_unref (callers->cancellable);
  g_object_unref (callers->connection);
  for (GList *link = callers->clients.head; link != NULL; link = link->next)
    {
      Client *client = link->data;

      client->callers = NULL;
      g_queue_clear_full (&client->waiting, waiting_free);
    }
  g_queue_clear (&callers->clients);
  g_hash_table_unref (callers->by_name);
  g_free (callers);
}

static void
client_forget (Client *client)
{
  g_queue_delete_link (&client->callers->clients, client->link);
  g_hash_table_remove (client->callers->by_name, client->name);
}

static Client *
client_new (FcrCallers *callers, const gchar *name)
{
  Client *client = g_rc_box_new0 (Client);

  client->callers = callers;
  client->name = g_strdup (name);
  client->caller.groups = g_array_new (FALSE, FALSE, sizeof (gid_t));
  g_queue_init (&client->waiting);
  g_queue_push_tail (&callers->clients, client);
  client->link = callers->clients.tail;
  g_hash_table_insert (callers->by_name, client->name, client);
  return client;
}

/* Who called longest ago, of those with nothing under way, makes room. */
static void
make_room (FcrCallers *callers)
{
  GList *link = callers->clients.head;

  if (callers->clients.length < KNOWN_MAX)
    return;
  while (((Client *) link->data)->under_way > 0)
    link = link->next;
  client_forget (link->data);
}

static Client *
client_get (FcrCallers *callers, const gchar *name)
{
  Client *client = g_hash_table_lookup (callers->by_name, name);

  if (client == NULL)
    {
      make_room (callers);
      return client_new (callers, name);
    }
  g_queue_unlink (&callers->clients, client->link);
  g_queue_push_tail_link (&callers->clients, client->link);
  return client;
}

/* Credentials ------------------------------------------------------------- */

static void
client_is_known (Client *client)
{
  Waiting *waiting;

  client->known = TRUE;
  while ((waiting = g_queue_pop_head (&client->waiting)) != NULL)
    {
      waiting->func (g_steal_pointer (&waiting->invocation), &client->caller,
                     waiting->user_data);
      g_free (waiting);
    }
}

static void
client_is_unknown (Client *client, const GError *error)
{
  GQueue waiting = client->waiting;
  Waiting *one;

  g_queue_init (&client->waiting);
  client_forget (client);
  while ((one = g_queue_pop_head (&waiting)) != NULL)
    {
      g_dbus_method_invocation_return_error (
          one->invocation, G_DBUS_ERROR, G_DBUS_ERROR_AUTH_FAILED,
          "the bus does not say who is calling: %s", error->message);
      g_free (one);
    }
}

GArray *
fcr_groups_of_user (uid_t uid)
{
  GArray *groups = g_array_new (FALSE, FALSE, sizeof (gid_t));
  g_autofree gchar *buffer = g_malloc (PASSWD_MAX);
  struct passwd entry, *user = NULL;
  int n = 16, found = -1;

  if (getpwuid_r (uid, &entry, buffer, PASSWD_MAX, &user) != 0 || user == NULL)
    return groups;
  while (found < 0 && n <= GROUPS_MAX)
    {
      g_array_set_size (groups, (guint) n);
      found = getgrouplist (user->pw_name, user->pw_gid, (gid_t *) groups->data,
                            &n);
    }
  g_array_set_size (groups, found < 0 ? 0 : (guint) found);
  return groups;
}

/* A bus that does not tell the groups of who connected. */
static void
look_groups_up (GTask *task, gpointer source, gpointer data,
                GCancellable *cancellable)
{
  g_task_return_pointer (task,
                         fcr_groups_of_user ((uid_t) GPOINTER_TO_UINT (data)),
                         (GDestroyNotify) g_array_unref);
}

static void
groups_looked_up (GObject *source, GAsyncResult *result, gpointer data)
{
  Client *client = data;
  g_autoptr (GArray) groups = g_task_propagate_pointer (G_TASK (result), NULL);

  if (groups != NULL && client->callers != NULL)
    {
      g_array_append_vals (client->caller.groups, groups->data, groups->len);
      client_is_known (client);
    }
  client_unref (client);
}

static void
look_up (Client *client)
{
  g_autoptr (GTask) task
      = g_task_new (NULL, client->callers->cancellable, groups_looked_up,
                    g_rc_box_acquire (client));

  g_task_set_task_data (task, GUINT_TO_POINTER (client->caller.uid), NULL);
  g_task_run_in_thread (task, look_groups_up);
}

static void
read_credentials (Client *client, GVariant *answer)
{
  g_autoptr (GVariant) credentials = g_variant_get_child_value (answer, 0);
  g_autoptr (GVariant) groups = g_variant_lookup_value (
      credentials, "UnixGroupIDs", G_VARIANT_TYPE ("au"));
  guint32 uid;

  if (!g_variant_lookup (credentials, "UnixUserID", "u", &uid))
    {
      g_autoptr (GError) error = g_error_new_literal (
          G_DBUS_ERROR, G_DBUS_ERROR_FAILED, "it has no user's number");

      client_is_unknown (client, error);
      return;
    }
  client->caller.uid = uid;
  if (groups == NULL)
    {
      look_up (client);
      return;
    }
  for (gsize i = 0; i < g_variant_n_children (groups); i++)
    {
      guint32 group;
      gid_t gid;

      g_variant_get_child (groups, i, "u", &group);
      gid = group;
      g_array_append_val (client->caller.groups, gid);
    }
  client_is_known (client);
}

static void
credentials_came (GObject *source, GAsyncResult *result, gpointer data)
{
  Client *client = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer = g_dbus_connection_call_finish (
      G_DBUS_CONNECTION (source), result, &error);

  if (client->callers != NULL && answer != NULL)
    read_credentials (client, answer);
  else if (client->callers != NULL)
    client_is_unknown (client, error);
  client_unref (client);
}

static void
ask_the_bus (Client *client)
{
  g_dbus_connection_call (
      client->callers->connection, "org.freedesktop.DBus",
      "/org/freedesktop/DBus", "org.freedesktop.DBus",
      "GetConnectionCredentials", g_variant_new ("(s)", client->name),
      G_VARIANT_TYPE ("(a{sv})"), G_DBUS_CALL_FLAGS_NO_AUTO_START, -1,
      client->callers->cancellable, credentials_came,
      g_rc_box_acquire (client));
}

/* Calls ------------------------------------------------------------------- */

/* The invocation is no more: it was answered. */
static void
call_ended (gpointer data)
{
  Client *client = data;

  client->under_way--;
  if (client->callers != NULL)
    client->callers->under_way--;
  client_unref (client);
}

void
fcr_callers_ask (FcrCallers *callers, GDBusMethodInvocation *invocation,
                 FcrCallerFunc func, gpointer user_data)
{
  Client *client
      = client_get (callers, g_dbus_method_invocation_get_sender (invocation));
  Waiting *waiting;

  if (client->under_way >= CLIENT_MAX || callers->under_way >= ALL_MAX)
    {
      g_dbus_method_invocation_return_error (
          invocation, G_DBUS_ERROR, G_DBUS_ERROR_LIMITS_EXCEEDED,
          "%u calls are under way, %u of them this client's; the limits are "
          "%u and %u: wait for an answer before the next call",
          callers->under_way, client->under_way, ALL_MAX, CLIENT_MAX);
      return;
    }
  client->under_way++;
  callers->under_way++;
  g_object_set_data_full (G_OBJECT (invocation), "fcr-client",
                          g_rc_box_acquire (client), call_ended);
  if (client->known)
    {
      func (invocation, &client->caller, user_data);
      return;
    }
  waiting = g_new (Waiting, 1);
  *waiting = (Waiting){ invocation, func, user_data };
  g_queue_push_tail (&client->waiting, waiting);
  if (client->waiting.length == 1)
    ask_the_bus (client);
}
