/* framecache: who calls
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The user and the groups behind a call, by the bus's word, and a bound on
 * what one client and all of them have under way. One thread.
 */
#ifndef FCR_CALLERS_H
#define FCR_CALLERS_H

#include <gio/gio.h>
#include <sys/types.h>

G_BEGIN_DECLS

typedef struct
{
  uid_t uid;
  GArray *groups; /* of gid_t, the primary one among them */
} FcrCaller;

gboolean fcr_caller_in_group (const FcrCaller *caller, gid_t group);

/* The groups, of gid_t, that a login of the user UID would get; none where
 * there is no such user. May have to ask over a network. Any thread. */
GArray *fcr_groups_of_user (uid_t uid);

typedef struct _FcrCallers FcrCallers;

/* The caller of INVOCATION, which is FUNC's to answer, now or later. CALLER is
 * good for the call alone. */
typedef void (*FcrCallerFunc) (GDBusMethodInvocation *invocation,
                               const FcrCaller *caller, gpointer user_data);

FcrCallers *fcr_callers_new (GDBusConnection *connection);
/* FUNCs that have not been called will not be. Takes NULL. */
void fcr_callers_free (FcrCallers *callers);

/* Find out who calls, which may take an answer of the bus's, then call FUNC;
 * at once where it is known. INVOCATION, which is taken, counts as under way
 * until it has been answered; where there are too many of the client's, or the
 * client is gone, it is answered here. */
void fcr_callers_ask (FcrCallers *callers, GDBusMethodInvocation *invocation,
                      FcrCallerFunc func, gpointer user_data);

G_END_DECLS

#endif /* FCR_CALLERS_H */
