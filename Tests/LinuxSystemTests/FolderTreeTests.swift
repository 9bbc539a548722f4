import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@Suite("Removing folders")
struct FolderTreeTests {
    private func makeFolder(_ path: String) { #expect(unsafe mkdir(path, 0o700) == 0, "\(path)") }

    // Broken by: a folder, a link, a socket or a FIFO that its owner left and that keeps the whole
    // from going; a link that is followed.
    @Test("whatever is in a folder goes, and nothing beside it")
    func everything() throws {
        let scratch = try ScratchFolder()
        makeFolder(scratch.path("outside"))
        try scratch.write("kept", to: "outside/file")
        makeFolder(scratch.path("run"))
        for name in ["run/a", "run/a/b", "run/a/b/c", "run/closed", "run/.livemig-1"] {
            makeFolder(scratch.path(name))
        }
        try scratch.write("x", to: "run/.livemig-1/x")
        try scratch.write("x", to: "run/a/b/.livemig-2")
        try scratch.write("x", to: "run/closed/x")
        #expect(unsafe chmod(scratch.path("run/closed"), 0) == 0)
        #expect(unsafe symlink(scratch.path("outside"), scratch.path("run/a/link")) == 0)
        #expect(unsafe symlink("/nowhere", scratch.path("run/dangling")) == 0)
        #expect(unsafe mkfifo(scratch.path("run/a/b/pipe"), 0o600) == 0)
        _ = try UnixSocket.listen(scratch.path("run/a/s"), .packets)
        for index in 0..<300 { try scratch.write("", to: "run/a/b/c/\(index)") }
        try FolderTree.remove(scratch.path("run"))
        #expect(try FolderListing.names(in: scratch.path) == ["outside"])
        #expect(scratch.read("outside/file") == "kept")
        try FolderTree.remove(scratch.path("run"))
    }

    // Broken by: a recursion as deep as the folders are, or names put together into a path that the
    // system takes no more.
    @Test("folders in folders go however deep they are")
    func depth() throws {
        let scratch = try ScratchFolder()
        makeFolder(scratch.path("run"))
        let name = String(repeating: "d", count: 200)
        var at = unsafe open(scratch.path("run"), O_RDONLY | O_DIRECTORY)
        for _ in 0..<1500 {
            #expect(unsafe mkdirat(at, name, 0o700) == 0)
            let inner = unsafe openat(at, name, O_RDONLY | O_DIRECTORY)
            close(at)
            at = inner
        }
        close(at)
        try FolderTree.remove(scratch.path("run"))
        #expect(try FolderListing.names(in: scratch.path) == [])
    }

    // Broken by: a removal without end, or one that follows a link in the folder's place.
    @Test("too many entries and a link are refused")
    func refusals() throws {
        let scratch = try ScratchFolder()
        makeFolder(scratch.path("run"))
        for index in 0..<20 { try scratch.write("", to: "run/\(index)") }
        #expect(failure { try FolderTree.remove(scratch.path("run"), limit: 10) }?.code == .cleanup)
        #expect(unsafe symlink(scratch.path("run"), scratch.path("link")) == 0)
        #expect(failure { try FolderTree.remove(scratch.path("link")) }?.code == .cleanup)
        #expect(try FolderListing.names(in: scratch.path("run")).count == 10)
    }
}
