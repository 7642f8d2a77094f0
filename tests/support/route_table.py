"""Every operation of the OpenAPI document, by its operationId: a valid request, and what comes of it for each role.

A new operation needs a line here (tests/system/test_role_walk.py fails without); several cases where rights depend on whose
thing it is.  Statuses stand in the order of contract section 2:

    owner admin manager developer auditor staff user member
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

from tests.support.processes import PASSWORD
from tests.support.route_requests import (
    TITLE,
    account,
    another,
    assigned,
    audited,
    clinic,
    credentials,
    deleted,
    entry,
    guest,
    invitation,
    kept,
    member,
    new_account,
    new_address,
    next_owner,
    oneself,
    others,
    own_session,
    tag,
    unknown,
    with_guest,
    without_guest,
)
from tests.support.walking import NOBODY, Case, each, everybody, members, newcomer, public, superusers

COMMENT, TIME = {"body": "Done?"}, {"minutes": 5}
ROUTES: Mapping[str, Case | tuple[Case, ...]] = {
    # tasks
    "createTask": each("201 201 201 201 403 201 201 403", body=TITLE),
    "listTasks": everybody(200),
    "readTask": (each("200 200 200 404 200 200 404 200", path=others), members(200, path=assigned, superuser=200)),
    "replaceTask": (
        each("200 200 200 404 403 403 404 403", path=others, body=TITLE),
        each("200 200 200 200 403 200 200 403", path=assigned, body=kept),
    ),
    "updateTask": (
        each("200 200 200 404 403 403 404 403", path=others, body={"title": "Mop"}),
        each("200 200 200 200 403 200 200 403", path=assigned, body={"title": "Mop"}),
    ),
    "deleteTask": (each("204 204 204 404 403 403 404 403", path=others), each("204 204 204 204 403 204 204 403", path=assigned)),
    "restoreTask": (
        each("200 200 200 404 403 403 404 403", path=deleted(others)),
        each("200 200 200 200 403 200 200 403", path=deleted(assigned)),
    ),
    "bulkUpdateTasks": each(
        "200 200 200 200 403 200 200 403", body=lambda world, who: {"task_ids": [world.task()], "changes": {"title": "Mop"}}
    ),
    "readTaskHistory": (each("200 200 200 404 200 200 404 200", path=others), members(200, path=assigned)),
    "commentOnTask": (each("201 201 201 404 201 201 404 201", path=others, body=COMMENT), members(201, path=assigned, body=COMMENT)),
    "listTaskComments": (each("200 200 200 404 200 200 404 200", path=others), members(200, path=assigned)),
    "readTaskComment": each("200 200 200 404 200 200 404 200", path=entry(others, "comments", "comment_id", **COMMENT)),
    "logTime": (
        each("201 201 201 404 403 403 404 403", path=others, body=TIME),
        each("201 201 201 201 403 201 201 403", path=assigned, body=TIME),
    ),
    "listTimeEntries": (each("200 200 200 404 200 200 404 200", path=others), members(200, path=assigned)),
    "readTimeEntry": each("200 200 200 404 200 200 404 200", path=entry(others, "time-entries", "entry_id", **TIME)),
    # tags
    "createTag": each("201 201 201 201 403 201 201 403", body=lambda world, who: {"name": uuid4().hex}),
    "listTags": everybody(200),
    "readTag": members(200, path=tag),
    "updateTag": each("200 200 200 403 403 403 403 403", path=tag, body={"color": "#00ff00"}),
    "deleteTag": each("204 204 204 403 403 403 403 403", path=tag),
    # analytics
    "readAnalytics": (everybody(200), each("200 200 200 403 200 403 403 200", query=lambda world, who: {"assignee_id": world.boss.id})),
    "exportAnalytics": (everybody(200), each("200 200 200 403 200 403 403 200", query=lambda world, who: {"assignee_id": world.boss.id})),
    # organizations
    "createOrganization": everybody(201, body={"name": "Another"}),
    "listOrganizations": everybody(200),
    "readOrganization": members(200, path=clinic),
    "updateOrganization": each("200 200 403 403 403 403 403 403", path=clinic, body={"name": "Clinic"}),
    "deleteOrganization": each("204 403 403 403 403 403 403 403", path=another),
    "transferOwnership": each("200 403 403 403 403 403 403 403", path=another, body=next_owner),
    "listMembers": members(200, path=clinic),
    "readMember": (
        each("200 200 404 404 200 404 404 404", path=member("boss")),
        each("200 200 200 200 200 404 404 404", path=member("developer")),
        each("200 200 404 404 200 200 404 404", path=member("staff")),
        members(200, path=oneself, superuser=404),
    ),
    "addMember": (
        each("201 201 403 403 403 403 403 403", path=without_guest, body=guest("user")),
        each("201 403 403 403 403 403 403 403", path=without_guest, body=guest("owner")),
        each("202 202 403 403 403 403 403 403", path=clinic, body=lambda world, who: {"email": unknown(), "role": "user"}),
    ),
    "updateMember": (
        each("200 200 403 403 403 403 403 403", path=with_guest("user"), body={"role": "staff"}),
        each("200 403 403 403 403 403 403 403", path=with_guest("user"), body={"role": "owner"}),
        each("200 403 403 403 403 403 403 403", path=with_guest("owner"), body={"role": "user"}),
        each("200 403 403 403 403 403 403 403", path=oneself, body={"role": "owner"}, superuser=404),
    ),
    "removeMember": (
        each("204 204 403 403 403 403 403 403", path=with_guest("user")),
        each("204 403 403 403 403 403 403 403", path=with_guest("owner")),
    ),
    "listInvitations": each("200 200 403 403 403 403 403 403", path=clinic),
    "revokeInvitation": (
        each("204 204 403 403 403 403 403 403", path=invitation("user")),
        each("204 403 403 403 403 403 403 403", path=invitation("owner")),
    ),
    "acceptInvitation": everybody(400, body={"token": "spent"}),
    "readSettings": members(200, path=clinic),
    "updateSettings": each("200 200 403 403 403 403 403 403", path=clinic, body={"reminder_minutes": [30]}),
    # accounts
    "readMe": everybody(200),
    "readMyUser": everybody(200),
    "readMeAmongUsers": everybody(200),
    "updateMe": everybody(200, body={"locale": "de"}),
    "updateMyUser": everybody(200, body={"locale": "de"}),
    "listSessions": everybody(200),
    "register": public(201, body=new_account),
    "logIn": public(200, body=credentials),
    "logInByJson": public(200, body=credentials),
    "refreshSession": public(401, body={"refresh_token": "spent"}),
    "logOut": newcomer(204),
    "logOutEverywhere": newcomer(204),
    "endSession": newcomer(204, path=own_session),
    "switchOrganization": each("200 200 200 200 200 200 200 200", stranger=404, body=clinic),
    "verifyEmail": public(400, body={"token": "nonsense"}),
    "resendVerification": public(202, body={"email": "nobody@example.com"}),
    "changeEmail": everybody(202, superuser=403, body=new_address),  # the superuser's password is another one
    "changePassword": everybody(403, body={"current_password": "a wrong one", "new_password": PASSWORD}),
    "forgotPassword": public(202, body={"email": "nobody@example.com"}),
    "resetPassword": public(400, body={"token": "nonsense", "new_password": PASSWORD}),
    "listUsers": everybody(200),
    "listUsersOfAuth": everybody(200),
    "readUser": (
        each("200 200 404 404 200 404 404 404", path=account("auditor")),
        each("200 200 200 200 200 404 404 404", path=account("developer")),
    ),
    "updateUser": superusers(404, path={"user_id": NOBODY}, body={"locale": "de"}),
    "deactivateUser": superusers(404, path={"user_id": NOBODY}),
    "reactivateUser": superusers(404, path={"user_id": NOBODY}),
    "logOutUser": superusers(404, path={"user_id": NOBODY}),
    "bulkUsers": superusers(200, body={"user_ids": [NOBODY], "action": "logout-all"}),
    "erasePersonalData": superusers(404, path={"user_id": NOBODY}, body={"reason": "Asked to."}),
    "placeLegalHold": superusers(404, path={"user_id": NOBODY}, body={"reason": "A trial."}),
    "liftLegalHold": superusers(404, path={"user_id": NOBODY}),
    # notifications
    "listNotifications": everybody(200),
    "countUnreadNotifications": everybody(200),
    "readNotification": everybody(404, path={"notification_id": NOBODY}),
    "readAllNotifications": everybody(204),
    # the live stream has no end: what each sees of it is shown by tests/query_api/test_stream.py
    "streamEvents": everybody(422, query={"topics": "weather"}),
    # audit
    "listEvents": each("200 200 403 403 200 403 403 403"),
    "listEventsOf": each("200 200 403 403 200 403 403 403", path=audited),
    "readStateOf": each("200 200 403 403 200 403 403 403", path=audited),
    "compareVersionsOf": each("200 200 403 403 200 403 403 403", path=audited, query={"from": "0", "to": "1"}),
    # administration
    "listProjections": superusers(200),
    "listRebuilds": superusers(200),
    "readRebuild": superusers(404, path={"rebuild_id": NOBODY}),
    "cancelRebuild": superusers(404, path={"rebuild_id": NOBODY}),
    "rebuildProjection": superusers(404, path={"name": "nothing"}),
    "rebuildAllProjections": superusers(422, body={"verify": "perhaps"}),
    "rollBackProjection": superusers(404, path={"name": "nothing"}),
    "pauseProjection": superusers(404, path={"name": "nothing"}),
    "resumeProjection": superusers(404, path={"name": "nothing"}),
    "listDeadLetters": superusers(200),
    "retryDeadLetter": superusers(404, path={"letter_id": NOBODY}),
    "skipDeadLetter": superusers(404, path={"letter_id": NOBODY}, body={"reason": "Wrong by a bug."}),
    "readStats": superusers(200),
}
