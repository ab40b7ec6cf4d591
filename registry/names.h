/* framecache: the names on the bus
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCR_NAMES_H
#define FCR_NAMES_H

#define FCR_BUS_NAME "org.framecache.Registry1"
#define FCR_ROOT_PATH "/org/framecache/Registry1"
/* A slot's path is this and its name, with each byte outside A-Z a-z 0-9 as _
 * and two hex digits. */
#define FCR_SLOT_PATH FCR_ROOT_PATH "/slot/"
#define FCR_REGISTRY_INTERFACE "org.framecache.Registry1"
#define FCR_SLOT_INTERFACE "org.framecache.Slot1"

/* Errors. An argument that will not do and what else went wrong have D-Bus's
 * own names, org.freedesktop.DBus.Error.InvalidArgs and .Failed; who asks for
 * too much at once is told .LimitsExceeded. */
#define FCR_ERROR_PREFIX "org.framecache.Error."
#define FCR_ERROR_NAME_NOT_FOUND FCR_ERROR_PREFIX "NotFound"
#define FCR_ERROR_NAME_EXISTS FCR_ERROR_PREFIX "Exists"
#define FCR_ERROR_NAME_BUSY FCR_ERROR_PREFIX "Busy"
#define FCR_ERROR_NAME_NO_SPACE FCR_ERROR_PREFIX "NoSpace"
#define FCR_ERROR_NAME_OVER_BUDGET FCR_ERROR_PREFIX "OverBudget"
#define FCR_ERROR_NAME_INVALID_NAME FCR_ERROR_PREFIX "InvalidName"
#define FCR_ERROR_NAME_NOT_PERMITTED FCR_ERROR_PREFIX "NotPermitted"

#endif /* FCR_NAMES_H */
