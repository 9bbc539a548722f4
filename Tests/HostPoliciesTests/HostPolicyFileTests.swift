import Glibc
import HostPolicies
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@Suite("Host policy files")
struct HostPolicyFileTests {
    // Breaks when a host without a file allows nothing, a change is lost, or others can read it.
    @Test("a policy is changed and read again")
    func change() throws {
        let folder = try ScratchFolder()
        let file = HostPolicyFile(path: folder.path("host.xml"))
        #expect(try file.load() == HostPolicy())
        var policy = HostPolicy()
        policy.liveMoves = 1
        try file.change(from: HostPolicy(), to: policy)
        #expect(try file.load() == policy)
        var status = stat()
        #expect(unsafe stat(file.path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
    }

    // Breaks when the second of two operators overwrites what the first has just changed.
    @Test("a change of what is no longer so is refused")
    func overtaken() throws {
        let folder = try ScratchFolder()
        let file = HostPolicyFile(path: folder.path("host.xml"))
        var mine = HostPolicy()
        mine.liveMoves = 1
        var theirs = HostPolicy()
        theirs.isLiveMigrationEnabled = false
        try file.change(from: HostPolicy(), to: theirs)
        let error = #expect(throws: LivemigError.self) {
            try file.change(from: HostPolicy(), to: mine)
        }
        #expect(error?.code == .busy)
        #expect(try file.load() == theirs)
    }

    // Breaks when changes made at once are not one after the other: two would be based on the same.
    @Test("of changes made at once one wins")
    func atOnce() throws {
        let folder = try ScratchFolder()
        let file = HostPolicyFile(path: folder.path("host.xml"))
        let threads = (3...10).map { moves in
            WorkerThread("change") {
                var policy = HostPolicy()
                policy.liveMoves = moves
                try file.change(from: HostPolicy(), to: policy)
            }
        }
        let won = threads.filter { (try? $0.join()) != nil }
        #expect(won.count == 1)
        #expect(try file.load().liveMoves >= 3)
    }

    // Breaks when a damaged policy, or one that others may write, counts as none.
    @Test("a policy that cannot be trusted is an error")
    func damaged() throws {
        let folder = try ScratchFolder()
        let file = HostPolicyFile(path: folder.path("host.xml"))
        try folder.write("<hostPolicy version=\"1\">\n<peers>", to: "host.xml")
        let broken = #expect(throws: LivemigError.self) { try file.load() }
        #expect(broken?.code == .xml)
        #expect(broken?.place.hasPrefix("\(file.path):2:") == true, "\(broken as Any)")
        #expect(throws: LivemigError.self) {
            try file.change(from: HostPolicy(), to: HostPolicy())
        }
        try folder.write("<hostPolicy version=\"1\"/>", to: "host.xml")
        #expect(unsafe chmod(file.path, 0o622) == 0)
        let exposed = #expect(throws: LivemigError.self) { try file.load() }
        #expect(exposed?.code == .permission)
        #expect(unsafe unlink(file.path) == 0)
        #expect(unsafe symlink("/nonexistent", file.path) == 0)
        let link = #expect(throws: LivemigError.self) { try file.load() }
        #expect(link?.code == .file)
        #expect(unsafe unlink(file.path) == 0)
        try folder.write("<hostPolicy version=\"1\"/>", to: "elsewhere.xml")
        #expect(unsafe symlink("elsewhere.xml", file.path) == 0)
        var policy = HostPolicy()
        policy.liveMoves = 7
        try file.change(from: HostPolicy(), to: policy)
        #expect(try HostPolicyFile(path: folder.path("elsewhere.xml")).load() == policy)
    }
}
