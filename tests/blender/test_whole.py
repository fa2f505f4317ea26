import bpy, numpy as np, pytest, time
import kernel, manyviews
from scenes import add, select, suzanne
pytestmark = pytest.mark.usefixtures("addon")

def cube(): return [add("cube","Cube",size=2)]
def sphere(): return [add("uv_sphere","Sphere")]
def monkey(): return [suzanne(levels=1)]
def torus(): return [add("torus","Torus")]
def chair():
    bpy.ops.mesh.primitive_cube_add(size=1); seat=bpy.context.object; seat.scale=(1,1,.1)
    parts=[seat]
    for x in (-.45,.45):
        for y in (-.45,.45):
            bpy.ops.mesh.primitive_cube_add(size=1,location=(x,y,-.5)); leg=bpy.context.object; leg.scale=(.1,.1,1); parts.append(leg)
    bpy.ops.mesh.primitive_cube_add(size=1,location=(0,.45,.55)); back=bpy.context.object; back.scale=(1,.1,1); parts.append(back)
    select(*parts); bpy.ops.object.join(); o=bpy.context.object; o.name="Chair"
    bpy.ops.object.transform_apply(location=True,rotation=True,scale=True)
    return [o]
def two(): return [add("cube","Cube",(0,0,0),size=2), add("uv_sphere","Ball",(2.2,0,0))]

@pytest.mark.parametrize("build",[cube,sphere,monkey,torus,chair,two])
def test_cov(scene,fake,monkeypatch,tmp_path,build):
    made=manyviews.install(monkeypatch,fake,tmp_path)
    things=build(); select(*things)
    t=time.time()
    assert bpy.ops.velatura.texture_object(prompt="moss",size=256,texture_size=256,seed=3,wait=True)=={"FINISHED"}
    from velatura_blender.session import session
    print(build.__name__, round(time.time()-t,1), session.message, {k:v['scores'] for k,v in made[0].items()})
