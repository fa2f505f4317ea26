"""Operators about the engine and its jobs: start it, find it, stop a job, and the ways to what must be set first."""

import bpy

from . import preferences, resume
from .client import VelaturaError
from .errands import errands
from .session import session


class VELATURA_OT_cancel(bpy.types.Operator):
    """Stop what is being made"""

    bl_idname = "velatura.cancel"
    bl_label = "Cancel"

    number: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Job",
        description="Its place in the queue, from 0, and behind that what is not in it yet; -1: all",
        default=-1,
        min=-1,
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context):
        """There is something to stop."""
        return bool(session.tasks or errands.asking())

    def execute(self, context):
        """Ask the engine to stop, or ask for nothing any more."""
        for number, errand in enumerate(errands.asking(), len(session.tasks)):
            if self.number in (-1, number):
                errands.stop(errand)
        session.cancel(self.number)
        return {"FINISHED"}


class VELATURA_OT_start_engine(bpy.types.Operator):
    """Start the engine that is installed on this computer"""

    bl_idname = "velatura.start_engine"
    bl_label = "Start Engine"

    @classmethod
    def poll(cls, context):
        """It is not starting yet."""
        return session.starting is None

    def execute(self, context):
        """Start it on the side."""
        session.start_engine(preferences.program(context))
        return {"FINISHED"}


class VELATURA_OT_look(bpy.types.Operator):
    """Ask the engine what it is and which models it has"""

    bl_idname = "velatura.look"
    bl_label = "Look for Engine and Models"

    wait: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Wait", description="Return when it has answered", default=bpy.app.background, options={"SKIP_SAVE"}
    )

    def execute(self, context):
        """Ask, and say what it has or why it does not answer."""
        try:
            endpoint = preferences.endpoint(context)
            if not self.wait:
                session.look(endpoint)
                return {"FINISHED"}
            session.connect(endpoint)
        except VelaturaError as error:
            session.say(str(error), error)
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        session.say("Models: " + ", ".join(title for _, title, _ in session.models))
        return {"FINISHED"}


class VELATURA_OT_collect(bpy.types.Operator):
    """Bring the results of jobs that were running when this file was saved"""

    bl_idname = "velatura.collect"
    bl_label = "Collect Results"

    wait: bpy.props.BoolProperty(name="Wait", default=bpy.app.background, options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def execute(self, context):
        """Follow them, and with `wait` place them."""
        try:
            tasks = resume.collect(preferences.endpoint(context))
            for task in tasks if self.wait else ():
                session.wait(task)
                self.report({"INFO"}, task.message)
        except VelaturaError as error:
            session.say(str(error), error)
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class VELATURA_OT_open_network(bpy.types.Operator):
    """Show Blender's preferences where online access is allowed"""

    bl_idname = "velatura.open_network"
    bl_label = "Open Network Settings"

    def execute(self, context):
        """Show them."""
        bpy.ops.screen.userpref_show("INVOKE_DEFAULT", section="SYSTEM")
        return {"FINISHED"}


class VELATURA_OT_open_preferences(bpy.types.Operator):
    """Show where address, token, certificate and program of the engine are set"""

    bl_idname = "velatura.open_preferences"
    bl_label = "Open Preferences"

    def execute(self, context):
        """Show them."""
        bpy.ops.screen.userpref_show("INVOKE_DEFAULT", section="ADDONS")
        bpy.ops.preferences.addon_show(module=__package__)
        return {"FINISHED"}


CLASSES = (
    VELATURA_OT_cancel,
    VELATURA_OT_start_engine,
    VELATURA_OT_look,
    VELATURA_OT_collect,
    VELATURA_OT_open_network,
    VELATURA_OT_open_preferences,
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
