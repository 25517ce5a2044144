// The objects of a job, with @NAMES@ that RenderKubernetes fills in.
#pragma once

namespace ps {

inline constexpr char kKubernetesScheduler[] = R"(# @NAME@: the scheduler. Deleting this Job deletes all other objects that name it as their owner.
apiVersion: batch/v1
kind: Job
metadata:
  name: @NAME@
  namespace: @NAMESPACE@
  labels: {app.kubernetes.io/name: hyperplane, app.kubernetes.io/instance: @NAME@, app.kubernetes.io/component: scheduler}
spec:
  backoffLimit: 20
  ttlSecondsAfterFinished: 86400
  template:
    metadata:
      labels: {app.kubernetes.io/name: hyperplane, app.kubernetes.io/instance: @NAME@, app.kubernetes.io/component: scheduler}
      annotations: {prometheus.io/scrape: "true", prometheus.io/port: "8080", prometheus.io/path: /metrics}
    spec:
      restartPolicy: Never
      serviceAccountName: @NAME@-scheduler
      automountServiceAccountToken: @API@
      terminationGracePeriodSeconds: 120
      securityContext: {runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
      tolerations:
      - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 10}
      - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 10}
      containers:
      - name: scheduler
        image: @IMAGE@
        command: [/usr/local/bin/ps_train]
        args: [--config=/etc/hyperplane/job.yaml, "--listen=tcp://0.0.0.0:7000", "--http=0.0.0.0:8080"@SCHEDULER_ARGS@]
        ports: [{name: nodes, containerPort: 7000}, {name: http, containerPort: 8080}]
        env:
        - name: POD_NAME
          valueFrom: {fieldRef: {fieldPath: metadata.name}}
        - name: PS_CONTROL_TOKEN
          valueFrom: {secretKeyRef: {name: @NAME@-control, key: token, optional: true}}
        resources:
          requests: {cpu: "@SCHEDULER_CPU@", memory: "@SCHEDULER_MEMORY@"}
          limits: {memory: "@SCHEDULER_MEMORY@"}
        startupProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 5, failureThreshold: 120}
        livenessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 20, timeoutSeconds: 10, failureThreshold: 6}
        readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 5}
        securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
        volumeMounts:
        - {name: job, mountPath: /etc/hyperplane, readOnly: true}
        - {name: data, mountPath: @DATA_PATH@, readOnly: true}
        - {name: output, mountPath: @OUTPUT_PATH@}
        - {name: tmp, mountPath: /tmp}@CURVE_MOUNT@
      volumes:
      - {name: job, configMap: {name: @NAME@}}@CURVE_VOLUME@
      - {name: data, persistentVolumeClaim: {claimName: @DATA_CLAIM@, readOnly: true}}
      - {name: output, persistentVolumeClaim: {claimName: @OUTPUT_CLAIM@}}
      - {name: tmp, emptyDir: {}}
)";

inline constexpr char kKubernetesNodes[] = R"(apiVersion: apps/v1
kind: Deployment
metadata:
  name: @NAME@-server
  namespace: @NAMESPACE@
  labels: {app.kubernetes.io/name: hyperplane, app.kubernetes.io/instance: @NAME@, app.kubernetes.io/component: server}@OWNER@
spec:
  replicas: @SERVERS@
  strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 1, maxSurge: 0}}
  selector:
    matchLabels: {app.kubernetes.io/instance: @NAME@, app.kubernetes.io/component: server}
  template:
    metadata:
      labels: {app.kubernetes.io/name: hyperplane, app.kubernetes.io/instance: @NAME@, app.kubernetes.io/component: server}
    spec:
      serviceAccountName: @NAME@
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 300
      securityContext: {runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532@CURVE_GROUP@, seccompProfile: {type: RuntimeDefault}}
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: ScheduleAnyway
        labelSelector:
          matchLabels: {app.kubernetes.io/instance: @NAME@, app.kubernetes.io/component: server}
      tolerations:
      - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 10}
      - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 10}
      containers:
      - name: server
        image: @IMAGE@
        command: [/usr/local/bin/ps_server]
        args: ["--scheduler=tcp://@NAME@-scheduler.@NAMESPACE@.svc:7000", "--bind=tcp://0.0.0.0:7001", --advertised_host=$(POD_IP), --minloglevel=0@NODE_ARGS@@CURVE_ARG@]
        ports: [{name: data, containerPort: 7001}]
        env:
        - name: POD_IP
          valueFrom: {fieldRef: {fieldPath: status.podIP}}
        resources:
          requests: {cpu: "@SERVER_CPU@", memory: "@SERVER_MEMORY@"}
          limits: {memory: "@SERVER_MEMORY@"}
        readinessProbe: {tcpSocket: {port: data}, periodSeconds: 5}
        securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
        volumeMounts:
        - {name: tmp, mountPath: /tmp}@CURVE_MOUNT@
      volumes:
      - {name: tmp, emptyDir: {}}@CURVE_VOLUME@
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: @NAME@-worker
  namespace: @NAMESPACE@
  labels: {app.kubernetes.io/name: hyperplane, app.kubernetes.io/instance: @NAME@, app.kubernetes.io/component: worker}@OWNER@
spec:
  replicas: @WORKERS@
  selector:
    matchLabels: {app.kubernetes.io/instance: @NAME@, app.kubernetes.io/component: worker}
  template:
    metadata:
      labels: {app.kubernetes.io/name: hyperplane, app.kubernetes.io/instance: @NAME@, app.kubernetes.io/component: worker}
    spec:
      serviceAccountName: @NAME@
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 60
      securityContext: {runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532@CURVE_GROUP@, seccompProfile: {type: RuntimeDefault}}
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: ScheduleAnyway
        labelSelector:
          matchLabels: {app.kubernetes.io/instance: @NAME@, app.kubernetes.io/component: worker}
      tolerations:
      - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 10}
      - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 10}
      containers:
      - name: worker
        image: @IMAGE@
        command: [/usr/local/bin/ps_worker]
        args: ["--scheduler=tcp://@NAME@-scheduler.@NAMESPACE@.svc:7000", "--bind=tcp://0.0.0.0:7002", --advertised_host=$(POD_IP), --minloglevel=0@NODE_ARGS@@CURVE_ARG@]
        ports: [{name: data, containerPort: 7002}]
        env:
        - name: POD_IP
          valueFrom: {fieldRef: {fieldPath: status.podIP}}
        resources:
          requests: {cpu: "@WORKER_CPU@", memory: "@WORKER_MEMORY@"@WORKER_GPU@}
          limits: {memory: "@WORKER_MEMORY@"@WORKER_GPU@}
        securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
        volumeMounts:
        - {name: data, mountPath: @DATA_PATH@, readOnly: true}
        - {name: tmp, mountPath: /tmp}@CURVE_MOUNT@
      volumes:@CURVE_VOLUME@
      - {name: data, persistentVolumeClaim: {claimName: @DATA_CLAIM@, readOnly: true}}
      - {name: tmp, emptyDir: {}}
)";

inline constexpr char kKubernetesServices[] = R"(apiVersion: v1
kind: Service
metadata:
  name: @NAME@-scheduler
  namespace: @NAMESPACE@
  labels: {app.kubernetes.io/name: hyperplane, app.kubernetes.io/instance: @NAME@, app.kubernetes.io/component: scheduler}@OWNER@
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector: {app.kubernetes.io/instance: @NAME@, app.kubernetes.io/component: scheduler}
  ports:
  - {name: nodes, port: 7000, targetPort: nodes}
  - {name: http, port: 8080, targetPort: http}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: @NAME@-server
  namespace: @NAMESPACE@
  labels: {app.kubernetes.io/name: hyperplane, app.kubernetes.io/instance: @NAME@, app.kubernetes.io/component: server}@OWNER@
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {app.kubernetes.io/instance: @NAME@, app.kubernetes.io/component: server}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: @NAME@
  namespace: @NAMESPACE@
  labels: {app.kubernetes.io/name: hyperplane, app.kubernetes.io/instance: @NAME@}@OWNER@
automountServiceAccountToken: false
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: @NAME@-scheduler
  namespace: @NAMESPACE@
  labels: {app.kubernetes.io/name: hyperplane, app.kubernetes.io/instance: @NAME@}@OWNER@
automountServiceAccountToken: false
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: @NAME@
  namespace: @NAMESPACE@
  labels: {app.kubernetes.io/name: hyperplane, app.kubernetes.io/instance: @NAME@}@OWNER@
data:
  job.yaml: |
    @JOB@
)";

// The state that the scheduler keeps in the API server, of jobs that keep it there.
inline constexpr char kKubernetesState[] = R"(apiVersion: v1
kind: ConfigMap
metadata:
  name: @NAME@-state
  namespace: @NAMESPACE@
  labels: {app.kubernetes.io/name: hyperplane, app.kubernetes.io/instance: @NAME@}@OWNER@
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata:
  name: @NAME@-state
  namespace: @NAMESPACE@
  labels: {app.kubernetes.io/name: hyperplane, app.kubernetes.io/instance: @NAME@}@OWNER@
)";

// What the scheduler may do there.
inline constexpr char kKubernetesRights[] = R"(apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: @NAME@-scheduler
  namespace: @NAMESPACE@
  labels: {app.kubernetes.io/name: hyperplane, app.kubernetes.io/instance: @NAME@}@OWNER@
rules:
- {apiGroups: [apps], resources: [deployments/scale], resourceNames: [@NAME@-server, @NAME@-worker], verbs: [get, patch]}
- {apiGroups: [batch], resources: [jobs], resourceNames: [@NAME@], verbs: [patch]}
- {apiGroups: [""], resources: [pods], verbs: [patch]}@STATE_RULES@
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: @NAME@-scheduler
  namespace: @NAMESPACE@
  labels: {app.kubernetes.io/name: hyperplane, app.kubernetes.io/instance: @NAME@}@OWNER@
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: @NAME@-scheduler}
subjects:
- {kind: ServiceAccount, name: @NAME@-scheduler, namespace: @NAMESPACE@}
)";

}  // namespace ps
