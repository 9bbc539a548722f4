import Glibc
import GuestFiles
import GuestMemory
import HostPolicies
import Journal
import LinuxSystem
public import MigrationModel
import Preflight
import QEMU
import SSHTransport
import SystemPackage
import WireProtocol

/// Everything that livemig needs of this host, looked at; changes nothing.
public struct HostExamination: Sendable {
    private let root: HostRoot
    private let program: String

    /// How long a program may take to say its version.
    private static let patience: Duration = .seconds(10)

    /// Names the host's root.
    public init(root: HostRoot) throws(LivemigError) {
        self.root = root
        program = try RunningProgram.path()
    }

    /// Looks at everything, each thing on its own.
    /// - Returns: the items, in an order for people.
    public func items() -> [Diagnosis] {
        let items: [Diagnosis?] =
            [agent, kernel, tracking, preload, qemu, confinement, kvm, tap, libssh, sshd, gate]
            + [rootFolder, journal, space, memory, hugePages, policy, hooks, guardians]
        return items.compactMap { $0 }
    }

    // MARK: System

    private var agent: Diagnosis {
        let user = geteuid()
        let what = "livemig-agent \(AgentVersion.text), user \(user)"
        guard user != 0 else { return Diagnosis("agent", .ok, what) }
        return Diagnosis(
            "agent", .warning, "\(what), not root",
            fix: "userfaultfd, KVM, tap devices and other users of QEMU need rights of their own")
    }

    private var kernel: Diagnosis {
        let system = HostFactsProbe.platform()
        return Diagnosis(
            "kernel", .ok,
            "Linux \(system.release) \(system.machine), \(Processors.count) processors")
    }

    /// How written pages would be found.
    private var tracking: Diagnosis {
        Diagnosis("tracking") { () throws(LivemigError) in
            let support = TrackingSupport.ofThisProcess
            try support.require(kernel: HostFactsProbe.platform().release)
            return "\(support): guests can leave live"
        }
    }

    private var preload: Diagnosis {
        Diagnosis("preload") { () throws(LivemigError) in
            try PreloadLibrary.locate(besides: program)
        }
    }

    // MARK: Hypervisor and network

    private var qemu: Diagnosis {
        do throws(LivemigError) {
            // Settings that cannot be read are an item of their own.
            let rules = (try? root.fileRules()) ?? GuestFileRules(GuestFolders())
            let probe = QEMUProbe(files: { () throws(LivemigError) in rules })
            let program = try probe.program(
                for: VMDefinition(
                    name: try VMName("probe"), uuid: VMUUID(.zero), kind: .qemu,
                    memory: .mebibytes(1)))
            let version = try probe.version(of: program)
            return HostRules.qemu(
                .init(version.major, version.minor, version.micro), at: program)
        } catch {
            return Diagnosis("qemu", .error, error.what + "; " + error.place, fix: error.fix)
        }
    }

    /// `nil` without a QEMU or a readable policy, which other items tell.
    private var confinement: Diagnosis? {
        guard let policy = try? root.policy.load(),
            let facts = try? Self.facts(of: QEMUProbe())
        else { return nil }
        return HostRules.confinement(policy, hasSandbox: facts.sandbox, isRoot: geteuid() == 0)
    }

    private static func facts(of probe: QEMUProbe) throws(LivemigError) -> QEMUProbe.Facts {
        try probe.facts(
            of: probe.program(
                for: VMDefinition(
                    name: try VMName("probe"), uuid: VMUUID(.zero), kind: .qemu,
                    memory: .mebibytes(1))))
    }

    private var kvm: Diagnosis {
        device(
            "kvm", "/dev/kvm",
            fix: "load the kvm module; without it guests need <domain type=\"qemu\">, and are slow")
    }

    private var tap: Diagnosis {
        device("tap", "/dev/net/tun", fix: "load the module tun: guests on bridges need it")
    }

    private func device(_ id: String, _ path: String, fix: String) -> Diagnosis {
        do throws(LivemigError) {
            _ = try OwnedDescriptor.open(path, O_RDWR)
            return Diagnosis(id, .ok, "\(path) can be opened")
        } catch {
            return Diagnosis(id, .warning, "\(error.what) (\(path))", fix: fix)
        }
    }

    private var libssh: Diagnosis {
        let tool = "/usr/bin/dpkg-query"
        var package = ""
        if unsafe access(tool, X_OK) == 0,
            let output = try? ProgramOutput(
                of: tool, ["--show", "--showformat=${Version}\n", "libssh*-4*"],
                patience: Self.patience),
            output.status == 0
        {
            package = output.text.split(separator: "\n").first.map(String.init) ?? ""
        }
        return HostRules.libssh(SSHLibrary.version, package: package)
    }

    private var sshd: Diagnosis {
        Diagnosis("sshd", otherwise: .warning) { () throws(LivemigError) in
            let output = try ProgramOutput(
                of: "/usr/sbin/sshd", ["-V"], patience: Self.patience, as: .noAgent)
            let words = output.text.split { $0.isWhitespace || $0 == "," }
            guard let name = words.first(where: { $0.hasPrefix("OpenSSH_") }) else {
                throw LivemigError(
                    .noAgent, "the SSH server is not OpenSSH, which is the only one tested",
                    at: "/usr/sbin/sshd")
            }
            return String(name)
        }
    }

    /// Whether the SSH server lets peers' keys reach livemig's gate.
    private var gate: Diagnosis {
        do throws(LivemigError) {
            return Diagnosis("gate", .ok, try SSHServerSettings(root: root).requireGate())
        } catch {
            // A server that cannot be asked may still be right; `host trust` tries it.
            return Diagnosis(
                "gate", error.code == .gate ? .error : .warning, "\(error.what); \(error.place)",
                fix: error.fix)
        }
    }

    // MARK: The root

    private var rootFolder: Diagnosis {
        Diagnosis("root") { () throws(LivemigError) in
            var status = stat()
            let path = root.path
            try SystemCall.check("stat", at: path, as: .root) { unsafe stat(path, &status) }
            let mode = String(status.st_mode & 0o7777, radix: 8)
            return "\(path), mode 0\(mode), user \(status.st_uid)"
        }
    }

    private var journal: Diagnosis {
        Diagnosis("journal", otherwise: root.allowsVolatileRecords ? .warning : .error) {
            () throws(LivemigError) in
            try RecordMedium.durable.require(forFolder: root.machines)
            return "records are kept through a loss of power"
        }
    }

    private var space: Diagnosis {
        var status = statvfs()
        guard unsafe statvfs(root.path, &status) == 0 else {
            let error = SystemCall.failure("statvfs", Errno(rawValue: errno), at: root.path)
            return Diagnosis("space", .error, error.explanation)
        }
        do throws(LivemigError) {
            try HostSpace(root: root).require()
        } catch {
            return Diagnosis("space", .error, "\(error.what); \(error.place)", fix: error.fix)
        }
        return HostRules.space(HostSpace.free(status), at: root.path)
    }

    // MARK: Settings

    /// By the settings, or by their defaults where they cannot be read.
    private var memory: Diagnosis {
        let memory = HostFactsProbe.memory()
        let reserve = ((try? root.policy.load()) ?? HostPolicy()).memoryReserve(of: memory.total)
        let guests = (try? MoveSlots(root: root).guests(.incoming)) ?? []
        let promised = guests.reduce(UInt64(0)) { $0 &+ $1.memory.bytes }
        return HostRules.memory(
            total: memory.total, available: memory.available, reserve: reserve,
            promised: ByteCount(promised))
    }

    private var hugePages: Diagnosis {
        HostRules.hugePages(HugePagesProbe.read(), total: HostFactsProbe.memory().total)
    }

    private var policy: Diagnosis {
        do throws(LivemigError) {
            return HostRules.policy(try root.policy.load())
        } catch {
            return Diagnosis("policy", .error, "\(error.what); \(error.place)", fix: error.fix)
        }
    }

    private var hooks: Diagnosis {
        Diagnosis("hooks") { () throws(LivemigError) in
            var found: [HostHook] = []
            for hook in HostHook.allCases where try HookProgram.find(hook, in: root) != nil {
                found.append(hook)
            }
            let unknown = try strangeNames()
            guard unknown.isEmpty else {
                throw LivemigError(
                    .hook, "no hook is called \(unknown)", at: root.hooks,
                    fix: "hooks are " + HostHook.allCases.map(\.rawValue).joined(separator: ", "))
            }
            return found.isEmpty ? "none" : found.map(\.rawValue).joined(separator: " ")
        }
    }

    /// Names in the folder that are close to a hook's and are not run.
    private func strangeNames() throws(LivemigError) -> String {
        guard unsafe access(root.hooks, F_OK) == 0 else { return "" }
        let known = Set(HostHook.allCases.map(\.rawValue))
        let others = try FolderListing.names(in: root.hooks).filter { name in
            !known.contains(name) && (name.hasPrefix("pre-") || name.hasPrefix("post-"))
        }
        return others.sorted().map { $0.escaped() }.joined(separator: ", ")
    }

    private var guardians: Diagnosis {
        Diagnosis(
            "guardians", .ok,
            ServiceManager.of(root) == nil
                ? "processes of their own; livemig-agent recover replaces one that died"
                : "units of systemd, which starts one again that died")
    }
}
